"""evaluation.md: the numbers of evaluation.json for a person, and what they do and do not say."""

from onshelf_research.policy import report as policy
from onshelf_research.report.cells import (
    COLD,
    DEMAND,
    OTHER,
    OUTCOMES,
    POLICY,
    TIMING,
    WARM,
    Columns,
    Summary,
    label,
    number,
    rows_of,
    signed,
    sliced,
    table,
    versus,
)

NO_USERS = "the data have no users"


def render(summary: Summary) -> str:
    """The report as Markdown."""
    sections = [_head(summary), _reading(summary), _demand(summary), _seeds(summary), _slices(summary), _other(summary)]
    sections += [_early_weeks(summary), _timing(summary), _warm(summary), _cold(summary), _explanations(summary)]
    sections += [_policy(summary)]
    sections += [_studies(summary), _behind(summary), _limits(summary)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(summary: Summary) -> str:
    weeks, release = summary["weeks"], summary["model_release"]
    title = f"# Evaluation: {summary['dataset']}, {summary['split']} split"
    quick = "\n\n**A quick run on a sample, with the cheap baselines only: it proves the path, not the quality.**"
    return (
        f"{title}{quick if summary['quick'] else ''}\n\n"
        f"Launches of weeks {weeks['evaluate'][0]}-{weeks['evaluate'][1]}. "
        f"Ours is {named(release)} ({release['role']}, recipe {release['recipe']}), which has "
        f"seen the "
        f"data up to week {release['cut_week']} ({release['as_of']}), through its own ONNX graphs, tables and "
        f"tokenizer."
    )


def named(release: Summary) -> str:
    """What a model release is called."""
    return "an unpublished model release" if release["version"] is None else f"model release {release['version']}"


def _reading(summary: Summary) -> str:
    weeks, demand, release = summary["weeks"], summary["demand"], summary["model_release"]
    train, purged = weeks["train"], weeks["purged_train"]
    lines = ["## How to read this", ""]
    if summary["split"] == "validation":
        lines.append(
            "- These are validation figures. Models, settings and the number of training rounds were chosen with "
            "these weeks "
            "in sight, so they are optimistic: they choose, they are not claimed. The test period stays closed."
        )
    elif summary["split"] == "test":
        lines.append("- The test period was opened for this report; docs/test_openings.md records it.")
    else:
        lines.append("- These weeks were chosen on the command line; the model release knows nothing after them begin.")
    if not weeks["is_purged"]:
        lines.append(
            f"- The main demand table has equal knowledge: ours and the baselines learned from launches of weeks "
            f"{purged[0]}-{purged[1]} ({demand['trained']:,}), whose 8 weeks of outcome had ended by week "
            f"{weeks['cut']}. "
            f"A second table lets the baselines learn from all launches of weeks {train[0]}-{train[1]} "
            f"({demand['trained_not_purged']:,}): their outcomes reach into the measured weeks, which nobody could "
            f"know."
        )
    if release["data_hash"] != summary["data_hash"]:
        lines.append(
            "- **The model release was trained on another preparation of the data than the one measured here** "
            "(their hashes "
            "differ): publish again before a figure is claimed."
        )
    lines += [
        f"- Features of the baselines are cut at each launch's own week (sales before it, past launches whose 8 "
        f"weeks had "
        f"ended); ours knows nothing after week {release['cut_week']}. That favours the baselines.",
        "- Every model sees the plan of weeks L..L+1: coverage by channel, coupon, and with it whether the launch "
        "entered by "
        "a sale. A price or discount that no sale revealed is drawn by hot deck from past kin, never marked as "
        "missing. "
        "Analogs see no discount.",
        "- WAPE, pinball and stock are measured on the median or quantile (ours rounded up to whole units), "
        "deviance, bias, "
        "Spearman and top-10 % capture on the mean. A model with one number per launch is measured on it in every "
        "column. "
        "A forecast below 0.05 units counts as 0.05 in the deviance.",
        "- Brackets are 95 % intervals of a paired bootstrap, launches clustered by manufacturer and by type, "
        "recommendations by household. The best figure of a column is bold.",
    ]
    return "\n".join(lines)


def _demand(summary: Summary) -> str:
    launches = summary["demand"]["launches"]
    parts = [f"## Demand: units in the first 8 weeks, n = {launches:,}", table(summary, "demand", DEMAND)]
    parts.append(versus(summary["versus"]["demand"], DEMAND))
    if summary["ours_rolling"]:
        parts.append("### Ours, fitted again for each week")
        parts.append(
            "As a shop would have it that trains every week: the forecast fitted again for each launch week on the "
            "data up to the week before, without the embedding, by the code that trains the model release (PyTorch). "
            "The rolling baselines do the same; the table above measures one model release."
        )
        rolled = {"ours": summary["ours"], "ours_rolling": {"demand": summary["ours_rolling"]["units_8w"]}}
        parts.append(rows_of(rolled, "demand", DEMAND))
        parts.append(versus(summary["versus"]["demand_rolling"], DEMAND))
    if not summary["weeks"]["is_purged"]:
        parts.append("### Baselines that learned from outcomes beyond the cut")
        parts.append(table(summary, "demand_not_purged", {k: v for k, v in DEMAND.items() if not k.startswith("pit")}))
        parts.append(versus(summary["versus"]["demand_not_purged"], DEMAND))
    parts.append(
        "The tutorials' launch models predict a week and no units; here they forecast the mean of the training "
        "launches of "
        "the week that they predict."
    )
    return "\n\n".join(parts) + _plots(summary, ("lift",))


def _seeds(summary: Summary) -> str:
    seeds = summary["seeds"]
    if seeds["count"] < 2:
        return "## Seeds\n\nOne seed: the model release that is served."
    text = (
        f"The heads were trained with {seeds['count']} seeds ({', '.join(str(s) for s in seeds['values'])}) on one "
        "fine-tuned text encoder, each exported and measured through its own ONNX. The first seed is the model release "
        "that is served, and the one of all other tables."
    )
    lines = ["| Column | served | mean | standard deviation | lowest | highest |", "|---|---|---|---|---|---|"]
    for part, columns in (("demand", DEMAND), ("warm", WARM), ("cold", COLD)):
        for key, (heading, _) in columns.items():
            if key in seeds["mean"].get(part, {}) and seeds["mean"][part][key] is not None:
                cells = [
                    summary["ours"][part][key],
                    *(seeds[kind][part][key] for kind in ("mean", "spread", "low", "high")),
                ]
                lines.append(f"| {part}: {heading} | {' | '.join(number(cell) for cell in cells)} |")
    return "\n".join(["## Seeds", "", text, "", *lines])


def _slices(summary: Summary) -> str:
    rows = [
        f"| {row['slice']} | {row['n']} | "
        f"{number(row['wape'])} | {number(row['poisson_deviance'])} | {number(row['bias'])} | "
        f"{number(row['coverage80'])} | {number(row['below_10'])} | {number(row['above_90'])} | {number(row['p'])} | "
        f"{ {True: 'holds', False: '**does not hold**', None: '–'}[row['holds']] } |"
        for row in summary["slices"]
    ]
    text = (
        "Share of the randomised PIT (fixed seed) within [.1, .9], wanted .80 (.78 to .82 overall, .74 to .86 in a "
        "slice); below .1 and above .9, wanted .10 each; p-value of its uniformity, wanted at least .01. It is "
        "computed from the served distribution, taken as linear between the counts of its support."
    )
    heading = "| Slice | n | WAPE | deviance | bias | within | below .1 | above .9 | p | calibration |"
    table_rows = [heading, "|---|---|---|---|---|---|---|---|---|---|", *rows]
    plots = _plots(summary, ("pit", "calibration", "deciles"))
    return "\n".join(["## Slices and calibration of ours", "", text, "", *table_rows]) + plots


def _early_weeks(summary: Summary) -> str:
    parts = [
        "## Learning from the first weeks",
        "Units of the weeks that remain of the first 8, forecast after one and after two weeks on sale. Ours is the "
        "posterior of the served forecast under what was sold: Gamma-Poisson, with evidence that counts less than "
        "full, because units come in lumps; shares of the weeks and weights are those in the model release.",
    ]
    for seen, early in summary["early_weeks"].items():
        measured = {model: {"x": values} for model, values in early["models"].items()}
        parts += [f"### After {seen} week{'s' if seen != '1' else ''} on sale", rows_of(measured, "x", DEMAND)]
        parts.append(versus(early["versus"], DEMAND))
    return "\n\n".join(parts)


def _policy(summary: Summary) -> str:
    parts = [policy.render(summary["policy"]).rstrip()]
    if "policy" in summary["ours"]:
        parts += ["### Policies in one table", table(summary, "policy", POLICY)]
    drawn = tuple(figure["name"] for figure in policy.figures(summary["policy"]))
    return "\n\n".join(parts) + _plots(summary, drawn)


def _studies(summary: Summary) -> str:
    parts = ["## Studies"] if summary["studies"] else []
    measured = summary["model_release"]["git_commit"]
    for one in summary["studies"]:
        rows = [one["columns"], ["---"] * len(one["columns"]), *one["rows"]]
        lines = ["| " + " | ".join(_study_cell(cell) for cell in row) + " |" for row in rows]
        parts += [f"### {one['title']}", one["question"], "\n".join(lines)]
        parts += ["\n".join(f"- {remark}" for remark in one["remarks"])] if one["remarks"] else []
        made = f"Recipe {one['recipe'] or 'none'}, commit {(one['commit'] or 'none')[:12]}, {one['seconds']:.0f} s."
        if one["commit"] != measured:
            made += f" The measured model release is of another commit, {(measured or 'none')[:12]}."
        parts.append(made + _plots(summary, (f"study_{one['name']}",)))
    return "\n\n".join(parts)


def _study_cell(cell: str | float | None) -> str:
    if isinstance(cell, str):
        return cell.replace("|", "/")
    return f"{cell:,}" if isinstance(cell, int) else number(cell)


def _plots(summary: Summary, names: tuple[str, ...]) -> str:
    """Markdown of some plots, each after an empty line; empty where none was drawn."""
    files = {f"plots/{name}.svg" for name in names}
    return "".join(f"\n\n![{p['caption']}]({p['file']})" for p in summary.get("plots", []) if p["file"] in files)


def _other(summary: Summary) -> str:
    parts = ["## Other outcomes of the same launches"]
    for outcome, models in summary["other"].items():
        measured = {model: {"x": values} for model, values in models.items()}
        if outcome in summary["ours_rolling"]:
            measured["ours_rolling"] = {"x": summary["ours_rolling"][outcome]}
        parts += [f"### {OUTCOMES[outcome]}", rows_of(measured, "x", OTHER)]
        parts += [versus(summary["versus_other"][outcome], OTHER)] if summary["versus_other"][outcome] else []
    return "\n\n".join(parts)


def _timing(summary: Summary) -> str:
    measured = {model: {"x": values} for model, values in summary["timing"].items()}
    text = (
        "The tutorials ask for the launch week itself. Split by time, the week of a later launch lies outside "
        "everything "
        "that was seen, and the order of the launches is not predicted either: when to launch comes from the "
        "category's "
        "season, not from a regression on past launch weeks. Ours does not answer this question and has no row."
    )
    return "\n\n".join(["## Launch week", text, rows_of(measured, "x", TIMING)])


def _warm(summary: Summary) -> str:
    users = summary["users"] > 0
    if "warm" not in summary:
        why = "no user bought anything in the four weeks after the cut"
        return f"## Recommendations to households with a history\n\nNot measured: {why if users else NO_USERS}."
    warm, wanted = summary["warm"], summary["weeks"]["warm_cut"]
    text = (
        f"History of weeks up to {warm['cut']}, then what {warm['households']:,} households bought in the four "
        f"weeks after: "
        f"{warm['products_bought']:,} products, {warm['of_them_new']:,} of them new to the household. R@K = hits / "
        "min(K, positives). EASE is exact over the whole catalog."
    )
    if warm["cut"] != wanted:
        text += (
            f" The split asks for history up to week {wanted}; the newest model release that may be measured here "
            f"ends with "
            f"week {warm['cut']}, so all rows end there."
        )
    parts = ["## Recommendations to households with a history", text, table(summary, "warm", WARM)]
    return "\n\n".join([*parts, versus(summary["versus"]["warm"], WARM), sliced(warm["slices"], WARM)])


def _cold(summary: Summary) -> str:
    users = summary["users"] > 0
    if "cold" not in summary:
        why = "no user with a history bought one of the launches"
        return f"## Launches that nobody has bought yet\n\nNot measured: {why if users else NO_USERS}."
    cold = summary["cold"]
    text = (
        f"History of weeks up to {cold['cut']}; positives are the households that bought the launch in weeks L..L+7. "
        f"Audience: {cold['launches']} launches with at least 3 buyers, {cold['households']:,} households. "
        f"Recommendations: "
        f"the launches themselves are the candidates, for {cold['households_that_bought_one']:,} households that "
        "bought one. Two-sided trees see each launch's plan (coverage and coupon of weeks L..L+1, price); a launch "
        "that is covered nowhere entered by a sale, so the plan tells them that, too."
    )
    parts = ["## Launches that nobody has bought yet", text, table(summary, "cold", COLD)]
    parts += [versus(summary["versus"]["cold"], COLD), sliced(cold["slices"], COLD), _decided(cold)]
    return "\n\n".join(parts) + _plots(summary, ("audience",))


def _decided(cold: Summary) -> str:
    """Recommendations without and with the decided actions."""
    if not cold.get("decided"):
        return ""
    text = (
        "Decided actions known: the score of a launch rises by how many times more buyers `launch_outcome` expects "
        "under its action than without promotion, coupon and discount. That a launch entered by a sale is not told. "
        "Households are resampled in pairs."
    )
    rows = [
        f"| {row['launches']} | {row['count']:,} | {COLD[row['column']][0]} | {number(row['today'])} | "
        f"{number(row['decided'])} | {signed(row['difference'][0])} "
        f"[{signed(row['difference'][1])}, {signed(row['difference'][2])}] |"
        for row in cold["decided"]
    ]
    heading = ["| Launches | n | | without actions | decided | difference |", "|---|---|---|---|---|---|"]
    return "\n".join([text, "", *heading, *rows])


def _explanations(summary: Summary) -> str:
    if "explanations" not in summary:
        return ""

    text = (
        "Each recommendation names up to two products of the history that speak for it, and so does each user of an "
        "audience. Taking these out must lower the score by more than taking out as many others, drawn at random; the "
        "share is of pairs of household and product where it does. Users of an audience are scored again by the "
        "ranker of new products, which is the audience's."
    )
    lines = [
        "| Recommendation | pairs | share | fall without the reasons | fall without others |",
        "|---|---|---|---|---|",
    ]
    for name, found in summary["explanations"].items():
        values = (found["share"], found["fall_named"], found["fall_others"])
        lines.append(f"| {name} | {found['pairs']} | {' | '.join(number(value) for value in values)} |")
    room = summary["new_product_share"]
    cost = (
        f"New products can be given a share of the places (`new_product_share`); what that costs, on "
        f"{room['households']:,} households:"
    )
    shares = {f"share {float(name):.0%}": {"x": values} for name, values in room["shares"].items()}
    parts = ["## Reasons, and room for new products", text, "\n".join(lines), cost, rows_of(shares, "x", WARM)]
    return "\n\n".join(parts)


def _behind(summary: Summary) -> str:
    lines = ["## Where ours is behind", ""]
    headings = {
        "demand": ("Demand", DEMAND),
        "demand_not_purged": ("Demand, baselines that learned from outcomes beyond the cut", DEMAND),
        "warm": ("Warm", WARM),
        "cold": ("Cold", COLD),
    }
    for part, (name, columns) in headings.items():
        lines += _worse(summary["versus"].get(part, []), name, columns)
    for outcome, rows in summary["versus_other"].items():
        lines += _worse(rows, OUTCOMES[outcome], OTHER)
    for seen, early in summary["early_weeks"].items():
        lines += _worse(early["versus"], f"After {seen} week{'s' if seen != '1' else ''} on sale", DEMAND)
    ours = summary["ours"].get("policy", {})
    for name, values in summary["baselines"].items():
        value = values.get("policy", {}).get("sndr")
        if value is not None and ours.get("sndr") is not None and value > ours["sndr"]:
            lines.append(
                f"- Policy value (SNDR): {number(value - ours['sndr'])} worse than {label(name)}, no interval."
            )
    if len(lines) == 2:
        lines.append("- In no column of this split. That is validation, or one sample; it is no claim for other data.")
    return "\n".join(lines)


def _worse(rows: list[Summary], name: str, columns: Columns) -> list[str]:
    result = []
    for row in rows:
        if row["difference"] is None:
            continue
        if row["difference"] < 0 if row["more_is_better"] else row["difference"] > 0:
            certain = "" if row["verdict"] == "behind" else " (the interval holds 0)"
            result.append(
                f"- {name}, {columns[row['column']][0]}: {number(abs(row['difference']))} worse than "
                f"{label(row['baseline'])}{certain}."
            )
    return result


def _limits(summary: Summary) -> str:
    return "\n".join(
        [
            "## Limits",
            "",
            f"- {summary['units_basis'][:1].upper()}{summary['units_basis'][1:]}: sales, not demand.",
            "- One retailer, one data set, one stretch of weeks; baselines have one seed.",
            "- Settings of trees and forest come from a search inside the training weeks (12 configurations per "
            "objective for LightGBM, 6 for the forest, rounds by early stopping); those of neighbours, EASE and ALS "
            "were chosen on the validation weeks.",
            "- Rolling baselines are refitted for each measured week on launches whose outcome had ended before it; "
            "ours, one model release, is not, and knows less; a row of its own shows it refitted.",
        ]
    )
