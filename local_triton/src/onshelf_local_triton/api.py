"""The few calls of Triton's HTTP protocol that starting and reloading need (standard library only)."""

import http.client
import json
from typing import Any

from onshelf_local_triton.errors import ServerError

HOST = "127.0.0.1"


def is_ready(port: int, server_id: str, timeout: float = 2.0) -> bool:
    """Tell whether the server on `port` is ready and is the one named `server_id`; False while nothing answers.

    One version that failed to load makes it False until that version loads, although older versions go on serving.
    """
    return _is("ready", port, server_id, timeout)


def is_live(port: int, server_id: str, timeout: float = 2.0) -> bool:
    """Tell whether the server on `port` answers and is the one named `server_id`, whatever its models' states."""
    return _is("live", port, server_id, timeout)


def _is(health: str, port: int, server_id: str, timeout: float) -> bool:
    try:
        status, _ = _call(port, "GET", f"/v2/health/{health}", timeout)
        if status != 200:
            return False
        _, body = _call(port, "GET", "/v2", timeout)
        return bool(json.loads(body)["name"] == server_id)
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return False


def repository(port: int, timeout: float = 10.0) -> list[dict[str, str]]:
    """Return the server's index: name, version, state (READY, UNAVAILABLE, ...) and reason of each known version."""
    body = _checked(port, "/v2/repository/index", timeout)
    return [dict(row) for row in json.loads(body)]


def load(port: int, model: str, timeout: float = 300.0) -> None:
    """Load `model` with the versions now in its folder; raises ServerError with the server's reason."""
    _checked(port, f"/v2/repository/models/{model}/load", timeout)


def unload(port: int, model: str, timeout: float = 60.0) -> None:
    """Unload all versions of `model`; raises ServerError with the server's reason."""
    _checked(port, f"/v2/repository/models/{model}/unload", timeout)


def _checked(port: int, path: str, timeout: float) -> bytes:
    try:
        status, body = _call(port, "POST", path, timeout)
    except (OSError, http.client.HTTPException) as error:
        raise ServerError(f"Triton does not answer on http://{HOST}:{port}{path}: {error!r}") from error
    if status != 200:
        raise ServerError(f"Triton refused {path} ({status}): {_reason(body)}")
    return body


def _call(port: int, method: str, path: str, timeout: float) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _reason(body: bytes) -> str:
    try:
        answer: Any = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
    return str(answer.get("error", answer)) if isinstance(answer, dict) else str(answer)
