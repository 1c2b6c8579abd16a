"""What report.json says of the launches of a dataset: the rule, what justifies its burn-in, and what looks wrong."""

from typing import Any

from onshelf_exporter.data.appearances import MANY_LATE, Appearances
from onshelf_exporter.data.launch_rule import LaunchRule

BURN_INS = (4, 8, 13, 17, 26)  # whole weeks that the report compares


def launch_report(
    rule: LaunchRule, words: str, found: Appearances, burn_in: int, launches: int, dated: int, stray: int
) -> tuple[dict[str, Any], list[str]]:
    """The part `launches` of report.json, and warnings.

    Args:
        rule: of the dataset.
        words: the same in words.
        found: first appearances.
        burn_in: whole weeks in which a first appearance tells nothing.
        launches: how many there are.
        dated: how many of them by a stated date.
        stray: how many are dated later than their first sale.
    """
    late = found.late
    met_after, late_after = found.after(burn_in)
    report = {
        "rule": words,
        "launches": launches,
        "by_stated_date": dated,
        "stray_early_sales_passed_over": stray,
        "burn_in_weeks": burn_in,
        "burn_in": "measured" if rule.burn_in_weeks is None else "stated",
        "first_whole_week": found.first_week,
        "first_appearances_by_week": found.met.tolist(),
        "late_first_meetings_by_week": None if late is None else [round(float(count), 1) for count in late],
        "after_burn_in": {
            "first_appearances": met_after,
            "late_first_meetings": None if late is None else round(late_after, 1),
        },
        "by_burn_in": [
            {"weeks": weeks, "first_appearances": met, "late_first_meetings": round(number, 1)}
            for weeks in BURN_INS
            if late is not None and weeks < len(found.met)
            for met, number in [found.after(weeks)]
        ],
    }
    warnings = []
    chosen_by_id = rule.first_id is not None or rule.last_id is not None
    if launches > dated and not chosen_by_id and met_after and late_after > MANY_LATE * met_after:
        warnings.append(
            f"of {met_after:,} products first seen after the burn-in of {burn_in} weeks, at least {late_after:,.0f} "
            f"({late_after / met_after:.0%}) look like old products first met late, not launches. State launch "
            "dates, a longer burn_in_weeks, least_units or a first_id (docs/data.md, What a launch is)"
        )
    if not launches:
        warnings.append("no product is a launch by the rule: nothing can be learned from launches")
    return report, warnings
