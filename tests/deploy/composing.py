"""As much of Docker Compose as the files in deploy/ use: variables, and one file laid over another."""

import re
from collections.abc import Mapping
from typing import Any

import yaml  # type: ignore[import-untyped]

VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?:(?P<kind>:-|:\?)(?P<rest>[^}]*))?\}")


class MissingVariableError(Exception):
    """A variable that must be given is not; the message is the file's own."""


def filled(text: str, variables: Mapping[str, str]) -> str:
    """A file with its variables replaced: ${NAME}, ${NAME:-default}, ${NAME:?what to do}."""

    def value(match: re.Match[str]) -> str:
        if given := variables.get(match["name"], ""):
            return given
        if match["kind"] == ":?":
            raise MissingVariableError(f"{match['name']}: {match['rest']}")
        return match["rest"] if match["kind"] == ":-" else ""

    return VARIABLE.sub(value, text)


def laid_over(below: Any, above: Any) -> Any:
    """What two files say together: mappings key by key, lists one after the other, else what stands above."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: laid_over(below[key], value) if key in below else value for key, value in above.items()}
    return [*below, *above] if isinstance(below, list) and isinstance(above, list) else above


def composed(texts: list[str], variables: Mapping[str, str]) -> dict[str, Any]:
    """The files, filled and laid one over the other."""
    whole: dict[str, Any] = {}
    for text in texts:
        whole = laid_over(whole, yaml.safe_load(filled(text, variables)))
    return whole
