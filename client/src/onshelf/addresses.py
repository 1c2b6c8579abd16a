"""Addresses of gRPC servers: what is one, and the way to it past a proxy that the environment names."""

import ipaddress
import os
import re
import urllib.request
from typing import Any

_URL = re.compile(r"(?i)(https?|grpcs?|tcp)://")
_SCHEME = re.compile(r"(?i)(dns:(//[^/]*/)?|ipv[46]:)")
# In the order in which gRPC reads them.
PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
EXCEPTIONS = ("no_grpc_proxy", "no_proxy")


def checked(address: str) -> str:
    """The address. Raises ValueError, saying what to write instead, for a URL of the web or nothing at all."""
    if not address.strip():
        raise ValueError("the address is empty; write host:port, as in 127.0.0.1:50051")
    if found := _URL.match(address):
        instead = address[found.end() :].partition("/")[0] or "host:port"
        raise ValueError(f"{address!r} is a URL, and gRPC takes none; write {instead}")
    return address


def is_loopback(address: str) -> bool:
    """Whether the server is on this machine, as its address says."""
    host = _host(address)
    if host == "localhost" or address.startswith("unix"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def channel_options(address: str) -> list[tuple[str, Any]]:
    """gRPC's options for a channel to it: no proxy on the way to this machine, whatever http_proxy says."""
    return [("grpc.enable_http_proxy", 0)] if is_loopback(address) else []


def proxy_to(address: str) -> tuple[str, str] | None:
    """The variable of the environment and the proxy, without its password, by which gRPC goes to an address."""
    if is_loopback(address):
        return None
    name = next((name for name in PROXIES if os.environ.get(name)), None)
    exceptions = next((os.environ[name] for name in EXCEPTIONS if os.environ.get(name)), "")
    if name is None or urllib.request.proxy_bypass_environment(_host(address), {"no": exceptions}):  # type: ignore[attr-defined]
        return None
    return name, re.sub(r"//[^/@]*@", "//", os.environ[name])


def _host(address: str) -> str:
    """The host of "host:port", "[host]:port" or one of these with a resolver of gRPC's before it."""
    place = _SCHEME.sub("", address, count=1)
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place.rpartition(":")[0] if place.count(":") == 1 else place
