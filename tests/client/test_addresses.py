"""Addresses and proxies: this machine is reached whatever the environment says, and a proxy that fails is named."""

import pytest

from onshelf import AsyncClient, Client, Product, Unavailable, addresses
from onshelf._cli import main


@pytest.fixture
def proxy(monkeypatch, free_address):
    """A proxy in the environment, at which nothing answers."""
    for name in (*addresses.PROXIES, *addresses.EXCEPTIONS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://ann:secret@{free_address}")
    return free_address


def test_this_machine_is_reached_past_a_proxy(proxy, server):
    with Client(server.address, retries=0, timeout=20) as client:
        assert client.plan_launch(Product(title="Chips")).plans


async def test_so_it_is_by_the_client_for_asyncio(proxy, server):
    async with AsyncClient(server.address, retries=0, timeout=20) as client:
        assert (await client.plan_launch(Product(title="Chips"))).plans


def test_a_proxy_that_does_not_answer_is_named_without_its_password(proxy):
    with Client("gateway.shop.example:50051", retries=0, timeout=20) as client, pytest.raises(Unavailable) as caught:
        client.plan_launch(Product(title="Chips"))
    message = str(caught.value)
    assert message.startswith(
        f"nothing answers at gateway.shop.example:50051 by way of the proxy http://{proxy}, which http_proxy names"
    )
    assert message.endswith("set no_proxy=gateway.shop.example to go there directly")
    assert "secret" not in message


def test_exceptions_from_a_proxy_are_heeded(proxy, monkeypatch):
    assert addresses.proxy_to("gateway.shop.example:50051") == ("http_proxy", f"http://{proxy}")
    monkeypatch.setenv("no_proxy", "other.example,.shop.example")
    assert addresses.proxy_to("gateway.shop.example:50051") is None
    assert addresses.proxy_to("10.0.0.7:50051") == ("http_proxy", f"http://{proxy}")


@pytest.mark.parametrize(
    "address", ["localhost:1", "127.0.0.1:1", "127.8.0.1:1", "[::1]:1", "ipv4:127.0.0.1:1", "ipv6:[::1]:1", "unix:/a"]
)
def test_addresses_of_this_machine(address):
    assert addresses.is_loopback(address)
    assert addresses.channel_options(address) == [("grpc.enable_http_proxy", 0)]


@pytest.mark.parametrize("address", ["gateway:50051", "dns:///gateway:50051", "10.0.0.7:50051", "[2001:db8::1]:50051"])
def test_addresses_of_other_machines(address):
    assert not addresses.is_loopback(address)
    assert addresses.channel_options(address) == []
    assert addresses.checked(address) == address


@pytest.mark.parametrize(
    ("address", "instead"),
    [
        ("http://127.0.0.1:50051", "write 127.0.0.1:50051"),
        ("https://gateway.example:443/", "write gateway.example:443"),
        ("GRPC://gateway:50051/plan", "write gateway:50051"),
        (" ", "write host:port"),
    ],
)
def test_a_url_is_refused_with_what_to_write_instead(address, instead, capsys):
    with pytest.raises(ValueError, match=instead):
        Client(address)
    assert main(["health", "--address", address]) == 2
    told = capsys.readouterr().err
    assert told.startswith("onshelf: --address: ")
    assert instead in told
