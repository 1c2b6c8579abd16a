"""Users that asked to be forgotten, left out of all canonical tables."""

import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from onshelf_exporter.data import engine
from onshelf_release.forgotten_users import ForgottenUsers

FORGOTTEN = "row of a user who asked to be forgotten: left out"
ALL_FORGOTTEN = "campaign whose whole audience asked to be forgotten: left out"


def described() -> list[tuple[str, str, str]]:
    """The rules, as (table, name, what)."""
    return [
        ("interactions", "forgotten_user", FORGOTTEN),
        ("users", "forgotten_user", FORGOTTEN),
        ("campaigns", "forgotten_user", ALL_FORGOTTEN),
    ]


def without_forgotten(
    con: Backend, tables: dict[str, ir.Table], forgotten: ForgottenUsers
) -> tuple[dict[str, ir.Table], list[dict[str, object]]]:
    """The tables without forgotten users, and rows for report.json.

    Args:
        con: the engine.
        tables: canonical tables, checked.
        forgotten: whom to leave out.
    """
    if not forgotten.hashes:
        return tables, []
    named = [tables[name].select("user_id") for name in ("interactions", "users") if name in tables]
    if "campaigns" in tables:
        named.append(tables["campaigns"].select(user_id=tables["campaigns"].audience.unnest()))
    everybody = named[0].union(*named[1:]) if len(named) > 1 else named[0]
    ids = con.to_pyarrow(everybody.filter(everybody.user_id.notnull()).distinct())["user_id"]
    gone = ids.take(pa.array(forgotten.among(ids.to_pylist())))
    found = con.create_table("forgotten", pa.table({"user_id": gone.cast(pa.string())}), temp=True)
    kept, report = dict(tables), []

    def note(name: str, what: str, rows: int) -> None:
        report.append({"table": name, "rule": "forgotten_user", "what": what, "action": "left out", "rows": rows})

    for name in ("interactions", "users"):
        if name in kept:
            note(name, FORGOTTEN, engine.number(kept[name].semi_join(found, "user_id").count()))
            kept[name] = kept[name].anti_join(found, "user_id")
    if "campaigns" in kept and len(gone):
        kept["campaigns"], emptied = _audiences(kept["campaigns"], found)
        note("campaigns", ALL_FORGOTTEN, emptied)
    return kept, report


def _audiences(campaigns: ir.Table, found: ir.Table) -> tuple[ir.Table, int]:
    """Campaigns without users in their audiences; one that would have none left would seem to address everybody."""
    members = campaigns.select("campaign_id", user_id=campaigns.audience.unnest()).anti_join(found, "user_id")
    rest = members.group_by("campaign_id").agg(rest=members.user_id.collect(order_by=members.user_id))
    table = campaigns.left_join(rest, "campaign_id").drop("campaign_id_right")
    table = table.mutate(emptied=((table.audience.length() > 0) & table.rest.isnull()).fill_null(False))
    emptied = engine.number(table.emptied.sum())
    kept = table.filter(~table.emptied).drop("emptied", "audience").rename(audience="rest")
    return kept.select(*campaigns.columns), emptied
