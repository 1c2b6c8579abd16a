"""Settings of the gateway: one table of rows; flags, environment variables and docs/configuration.md come from it.

`python -m onshelf_gateway.settings` prints docs/configuration.md.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from onshelf import addresses

ENV_PREFIX = "ONSHELF_"


def _row(default: Any, unit: str, text: str, **limits: Any) -> Any:
    return Field(default=default, description=text, json_schema_extra={"unit": unit}, **limits)


class Settings(BaseSettings):
    """Every option, as flag (`--max-in-flight`) and environment variable (`ONSHELF_MAX_IN_FLIGHT`); the flag wins."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="ignore", frozen=True)

    releases: Path = _row(Path("var/releases"), "folder", "Where `onshelf-exporter publish` puts model releases.")
    store: str = _row(
        "sqlite:///var/store/onshelf.db",
        "URL",
        "Database for what must outlive a restart: SQLite, or PostgreSQL (postgresql+psycopg://..., with the extra "
        "`postgresql`). All processes of one service share it.",
    )
    catalog_entries: int = _row(
        50_000,
        "products",
        "Upserted products kept beside the model release, about 2 kB each in every process; more are refused with "
        "RESOURCE_EXHAUSTED.",
        ge=1,
        le=1_000_000,
    )
    catalog_poll_ms: int = _row(
        200, "ms", "How often the store is asked whether other processes changed the catalog.", ge=10, le=60_000
    )
    remember: bool = _row(
        True,
        "",
        "Whether plans, recommendations and audiences are remembered: to be read back, decided and joined to events.",
    )
    remember_days: int = _row(
        400, "days", "Remembered answers that nobody decided about are deleted after this long.", ge=1, le=36_500
    )
    refused_events: int = _row(
        10_000, "events", "Events that broke a rule and are kept; the oldest go first.", ge=0, le=1_000_000
    )
    attribution_days: float = _row(
        7.0,
        "days",
        "A purchase without a token belongs to the last impression or click of the same user and product before it, if "
        "that is no older than this.",
        ge=0,
        le=365,
    )
    exploration_share: float = _row(
        0.0,
        "share",
        "Share of products for which the plan that stands first is drawn among near-ties, with probabilities that the "
        "answer states. 0: the best plan stands first. A product is always drawn alike; a larger share changes no "
        "product that was drawn before.",
        ge=0,
        le=1,
    )
    exploration_margin: float = _row(
        0.02,
        "share",
        "How far below the best objective a near-tie may be; its 10 % to 90 % band of units overlaps the best one's.",
        ge=0,
        le=0.5,
    )
    exploration_seed: int = _row(0, "", "Seed of these draws. Another one draws every product anew.", ge=0, le=2**53)
    holdout_share: float = _row(
        0.0,
        "share",
        "Share of users who are held out for good: in no audience, and recommended to without targeting new products, "
        "so that the effect of both can be measured. A keyed hash assigns them: a larger share only adds users, a "
        "smaller one only lets some go. 0: nobody.",
        ge=0,
        le=0.5,
    )
    triton: str = _row("localhost:8001", "host:port", "Triton's gRPC address.")
    listen: str = _row("127.0.0.1:50051", "host:port", "Where the gateway listens. Port 0 picks a free one.")
    processes: int = _row(
        1,
        "processes",
        "Processes that share the port, each with its own event loop; limits such as --max-in-flight are each one's.",
        ge=1,
        le=256,
    )
    metrics_port: int = _row(
        8502, "port", "Prometheus metrics by HTTP. 0 picks a free port, -1 serves none.", ge=-1, le=65535
    )
    metrics_host: str = _row("127.0.0.1", "host", "Address of the metrics port.")
    address_file: Path | None = _row(None, "file", "JSON with the addresses in use, written once the gateway listens.")
    encoder_model: Literal["auto", "product_encoder", "product_encoder_fp32", "product_encoder_int8"] = _row(
        "auto",
        "model",
        "Which encoder of the model repository reads products: `product_encoder_int8`, `product_encoder_fp32`, "
        "`product_encoder`, or the fastest of those that Triton serves, measured for less than a second before a model "
        "release goes into service (`auto`). Gateways that share a store, and stand before Tritons on different "
        "machines, need one name for all.",
    )
    clock: Literal["as_of", "wall"] = _row(
        "as_of", "", "What counts as today: the day a model release's data end, or the wall clock where that is later."
    )
    max_in_flight: int = _row(
        64,
        "calls",
        "Calls answered at the same time. More are refused with RESOURCE_EXHAUSTED instead of waiting for too long.",
        ge=1,
        le=10_000,
    )
    max_streams: int = _row(
        1_024, "streams", "Calls and watches at the same time on one connection; further ones wait.", ge=1, le=1_000_000
    )
    stream_in_flight: int = _row(
        8, "plans", "Plans of one stream that are made at the same time; the stream is read no faster.", ge=1, le=1_000
    )
    max_watches: int = _row(256, "watches", "Watches of health at the same time; more are refused.", ge=1, le=1_000_000)
    max_candidates: int = _row(
        10_000,
        "candidates",
        "Most candidate actions of one plan; 10,240 are scored at a time. 100,000 take half a second of two cores, and "
        "other calls of the process wait for a part of it.",
        ge=1,
        le=100_000,
    )
    default_deadline_ms: int = _row(10_000, "ms", "Deadline of a call that brings none.", ge=1, le=600_000)
    max_deadline_ms: int = _row(
        60_000, "ms", "Longest that any call may take; a later deadline is cut to it.", ge=1, le=3_600_000
    )
    deadline_margin_ms: int = _row(
        20, "ms", "Kept back from the caller's deadline, for the answer's way home.", ge=0, le=10_000
    )
    drain_seconds: float = _row(20.0, "s", "How long running calls may go on after SIGTERM.", ge=0, le=600)
    unknown_title_notice: float = _row(
        0.1, "share", "A title with more unknown tokens than this is flagged.", ge=0, le=1
    )
    unknown_title_limit: float = _row(
        0.5, "share", "A title with more unknown tokens than this is refused.", ge=0, le=1
    )
    strange_titles: Literal["refuse", "flag"] = _row(
        "refuse",
        "",
        "What becomes of a title that reads like nothing the shop or the encoder knows: another script, a misread "
        "encoding, a hand on the keyboard. Less strange titles are flagged either way.",
    )
    probe_interval_ms: int = _row(
        500, "ms", "How often Triton is asked whether it serves the models.", ge=50, le=60_000
    )
    probe_timeout_ms: int = _row(600, "ms", "A probe without an answer after this long has failed.", ge=50, le=60_000)
    reload_seconds: float = _row(
        2.0, "s", "How often the folder of model releases is looked at. 0: only at the start.", ge=0, le=3600
    )
    retry_after_ms: int = _row(
        1_000, "ms", "What RetryInfo tells callers when a model is unavailable.", ge=1, le=600_000
    )
    idempotency_entries: int = _row(
        1_024, "answers", "Answers kept for request ids that come again. 0: none.", ge=0, le=1_000_000
    )
    idempotency_mib: int = _row(
        64, "MiB", "Most that these answers may take, as serialized; those used longest ago go first.", ge=1, le=65_536
    )
    encoder_cache_entries: int = _row(
        4_096, "products", "Products whose encoding is kept for the next request. 0: none.", ge=0, le=1_000_000
    )
    encoder_cache_mib: int = _row(
        64, "MiB", "Most that these encodings may take; those used longest ago go first.", ge=1, le=65_536
    )
    max_message_mib: int = _row(8, "MiB", "Largest request and answer.", ge=1, le=1_024)
    log_level: Literal["debug", "info", "warning", "error"] = _row("info", "", "Least level that is logged.")
    log_key: str = _row(
        "", "secret", "Key of the hashes that stand for user ids in logs. Empty: a random one for each start."
    )
    reflection: bool = _row(True, "", "Whether gRPC reflection describes the services.")

    @field_validator("triton", "listen")
    @classmethod
    def _address(cls, value: str) -> str:
        return addresses.checked(value)


def rows() -> list[tuple[str, FieldInfo]]:
    """The table: name and field of every setting, in order."""
    return list(Settings.model_fields.items())


def flag(name: str) -> str:
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")


def _help(field: FieldInfo) -> str:
    unit = _unit(field)
    default = "none" if field.default in (None, "") else field.default
    return f"{field.description} [{unit + ', ' if unit else ''}default {default}]".replace("%", "%%")


def _unit(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra["unit"]) if isinstance(extra, dict) else ""


def parse(argv: Sequence[str] | None = None) -> Settings:
    """Settings from the environment and the command line.

    Raises:
        pydantic.ValidationError: a value breaks its row's rule.
        SystemExit: an unknown flag, or `--help`.
    """
    parser = argparse.ArgumentParser(
        prog="onshelf-gateway", description="The gRPC gateway of Onshelf.", allow_abbrev=False
    )
    for name, field in rows():
        parser.add_argument(flag(name), dest=name, default=argparse.SUPPRESS, metavar=name.upper(), help=_help(field))
    return Settings(**vars(parser.parse_args(argv)))


def markdown() -> str:
    """The text of docs/configuration.md."""
    lines = [
        "# Configuration of the gateway",
        "",
        "<!-- Generated by `python -m onshelf_gateway.settings`; a test fails when it is not up to date. -->",
        "",
        "Every setting is a flag of `onshelf-gateway` and an environment variable; the flag wins.",
        "",
        "| Flag | Environment | Default | Unit | What it does |",
        "|---|---|---|---|---|",
    ]
    for name, field in rows():
        default = "" if field.default in (None, "") else f"`{field.default}`"
        cells = (f"`{flag(name)}`", f"`{ENV_PREFIX}{name.upper()}`", default, _unit(field), str(field.description))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
