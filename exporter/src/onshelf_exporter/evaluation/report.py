"""evaluation.md: the numbers of evaluation.json for a person, and what they do and do not say."""

from typing import Any

Summary = dict[str, Any]
Columns = dict[str, tuple[str, bool | None]]  # key -> heading, whether more is better (None: neither)

DEMAND: Columns = {
    "wape": ("WAPE", False),
    "wape_pf": ("WAPE PF", False),
    "poisson_deviance": ("Poisson deviance", False),
    "bias": ("bias", None),
    "spearman": ("Spearman", True),
    "top10_capture": ("top-10 % capture", True),
    "pinball": ("pinball", False),
    "newsvendor_70": ("stock .7", False),
    "newsvendor_80": ("stock .8", False),
    "newsvendor_90": ("stock .9", False),
    "pit_coverage80": ("PIT in [.1, .9]", None),
    "pit_p": ("PIT p", None),
}
OTHER: Columns = {
    **{key: DEMAND[key] for key in ("wape", "wape_pf", "poisson_deviance", "bias", "spearman", "top10_capture")},
    "pit_coverage80": DEMAND["pit_coverage80"],
    "log_loss_per_buyer": ("log-loss per buyer", False),
}
WARM: Columns = {
    "all_r10": ("all R@10", True),
    "all_n10": ("all N@10", True),
    "new_r10": ("new to the household R@10", True),
    "new_n10": ("new to the household N@10", True),
}
COLD: Columns = {
    "auc": ("AUC", True),
    "map": ("mAP", True),
    "r100": ("R@100 households", True),
    "lift10": ("lift@10 %", True),
    "rec_r10": ("recommendations R@10", True),
    "rec_n10": ("recommendations N@10", True),
}
TIMING: Columns = {"mean_absolute_weeks": ("mean absolute error, weeks", False), "spearman": ("Spearman", True)}
LABELS = {
    "global_median": "global median",
    "category_median": "category/type median",
    "category_mean": "category/type mean",
    "analog_median": "analog kNN median (TF-IDF, price, plan)",
    "analog_mean": "analog kNN mean",
    "lightgbm_q50": "LightGBM q50, with plan",
    "lightgbm_tweedie": "LightGBM tweedie 1.3, with plan",
    "seed_linear": "seed_linear (tutorial)",
    "seed_bert": "seed_bert (tutorial)",
    "seed_embedding": "seed_embedding (tutorial)",
    "popularity_8w": "popularity, 8 weeks",
    "own_frequency": "own frequency, half-life 16 weeks",
    "ease_binary": "EASE binary",
    "ease_log_count": "EASE log-count",
    "activity_only": "household activity only",
    "content_knn": "content item-kNN (TF-IDF)",
    "affinity": "category, type, manufacturer affinity",
    "lightgbm_two_sided": "LightGBM two-sided",
    "overall_share": "overall share",
    "category_share": "category share",
    "mean_week": "mean week of the training launches",
    "ours": "**ours, as served**",
}
OUTCOMES = {"units_4w": "Units in 4 weeks", "buyers_8w": "Buyers in 8 weeks", "repeat": "Buyers who buy again"}


def render(summary: Summary) -> str:
    """The report as Markdown."""
    sections = [_head(summary), _reading(summary), _demand(summary), _calibration(summary), _other(summary)]
    sections += [_timing(summary), _warm(summary), _cold(summary), _behind(summary), _limits(summary)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(summary: Summary) -> str:
    weeks, release = summary["weeks"], summary["model_release"]
    title = f"# Evaluation: {summary['dataset']}, {summary['split']} split"
    quick = "\n\n**A quick run on a sample, with the cheap baselines only: it proves the path, not the quality.**"
    return (
        f"{title}{quick if summary['quick'] else ''}\n\n"
        f"Launches of weeks {weeks['evaluate'][0]}-{weeks['evaluate'][1]}. "
        f"Ours is model release {release['version']} ({release['role']}, recipe {release['recipe']}), which has "
        f"seen the "
        f"data up to week {release['cut_week']} ({release['as_of']}), through its own ONNX graphs, tables and "
        f"tokenizer."
    )


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
    else:
        lines.append("- The test period was opened for this report; docs/decisions.md records it.")
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
        "missing. The "
        "trees and analogs see no discount.",
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
    parts = [f"## Demand: units in the first 8 weeks, n = {launches:,}", _table(summary, "demand", DEMAND)]
    parts.append(_versus(summary["versus"]["demand"], DEMAND))
    if not summary["weeks"]["is_purged"]:
        parts.append("### Baselines that learned from outcomes beyond the cut")
        parts.append(_table(summary, "demand_not_purged", {k: v for k, v in DEMAND.items() if not k.startswith("pit")}))
        parts.append(_versus(summary["versus"]["demand_not_purged"], DEMAND))
    parts.append(
        "The tutorials' launch models predict a week and no units; here they forecast the mean of the training "
        "launches of "
        "the week that they predict."
    )
    return "\n\n".join(parts)


def _calibration(summary: Summary) -> str:
    rows = [
        f"| {row['slice']} | {row['n']} | {_number(row['coverage80'])} | {_number(row['below_10'])} | "
        f"{_number(row['above_90'])} | {_number(row['p'])} |"
        for row in summary["calibration"]
    ]
    return "\n".join(
        [
            "## Calibration of ours",
            "",
            "Share of the randomised PIT (fixed seed) within [.1, .9], wanted .80; below .1 and above .9, wanted "
            ".10 each; "
            "p-value of its uniformity. It is computed from the served quantiles; between two of them the shape is "
            "that of "
            "the served negative binomial.",
            "",
            "| Slice | n | within | below .1 | above .9 | p |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    )


def _other(summary: Summary) -> str:
    parts = ["## Other outcomes of the same launches"]
    for outcome, models in summary["other"].items():
        measured = {model: {"x": values} for model, values in models.items()}
        parts += [f"### {OUTCOMES[outcome]}", _rows(measured, "x", OTHER)]
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
    return "\n\n".join(["## Launch week", text, _rows(measured, "x", TIMING)])


def _warm(summary: Summary) -> str:
    warm, wanted = summary["warm"], summary["weeks"]["warm_cut"]
    text = (
        f"History of weeks up to {warm['cut']}, then what {warm['households']:,} households bought in the four "
        f"weeks after: "
        f"{warm['products_bought']:,} products, {warm['of_them_new']:,} of them new to the household. R@K = hits / "
        "min(K, positives). EASE is exact over the whole catalogue."
    )
    if warm["cut"] != wanted:
        text += (
            f" The split asks for history up to week {wanted}; the newest model release that may be measured here "
            f"ends with "
            f"week {warm['cut']}, so all rows end there."
        )
    parts = ["## Recommendations to households with a history", text, _table(summary, "warm", WARM)]
    return "\n\n".join([*parts, _versus(summary["versus"]["warm"], WARM)])


def _cold(summary: Summary) -> str:
    cold = summary["cold"]
    text = (
        f"History of weeks up to {cold['cut']}; positives are the households that bought the launch in weeks L..L+7. "
        f"Audience: {cold['launches']} launches with at least 3 buyers, {cold['households']:,} households. "
        f"Recommendations: "
        f"the launches themselves are the candidates, for {cold['households_that_bought_one']:,} households that "
        f"bought one."
    )
    parts = ["## Launches that nobody has bought yet", text, _table(summary, "cold", COLD)]
    return "\n\n".join([*parts, _versus(summary["versus"]["cold"], COLD)])


def _behind(summary: Summary) -> str:
    lines = ["## Where ours is behind", ""]
    headings = {"demand": ("Demand", DEMAND), "warm": ("Warm", WARM), "cold": ("Cold", COLD)}
    for part, (name, columns) in headings.items():
        for row in summary["versus"][part]:
            worse = row["difference"] < 0 if row["more_is_better"] else row["difference"] > 0
            if worse:
                certain = "" if row["verdict"] == "behind" else " (the interval holds 0)"
                lines.append(
                    f"- {name}, {columns[row['column']][0]}: {_number(abs(row['difference']))} worse than "
                    f"{LABELS[row['baseline']]}{certain}."
                )
    if len(lines) == 2:
        lines.append("- In no column of this split. That is validation, or one sample; it is no claim for other data.")
    return "\n".join(lines)


def _limits(summary: Summary) -> str:
    return "\n".join(
        [
            "## Limits",
            "",
            f"- {summary['units_basis'][:1].upper()}{summary['units_basis'][1:]}: sales, not demand.",
            "- One data set and one stretch of weeks; one seed per model.",
            "- Baselines have fixed settings (LightGBM: rounds by early stopping on the last training weeks) and "
            "are not "
            "refitted within the measured weeks.",
            "- Not measured here: what the text is worth (BERT against TF-IDF on identical inputs), the practice "
            "heads, the "
            "effects of price and promotion, and the value of a policy.",
        ]
    )


def _table(summary: Summary, part: str, columns: Columns) -> str:
    models = {name: values for name, values in summary["baselines"].items() if part in values}
    if part in summary["ours"]:
        models["ours"] = summary["ours"]
    return _rows(models, part, columns)


def _rows(models: dict[str, Summary], part: str, columns: Columns) -> str:
    shown = {key: kind for key, kind in columns.items() if any(key in values[part] for values in models.values())}
    best = {key: _best([v[part].get(key) for v in models.values()], more) for key, (_, more) in shown.items()}
    lines = [
        "| Model | " + " | ".join(heading for heading, _ in shown.values()) + " |",
        "|---" * (len(shown) + 1) + "|",
    ]
    for model, values in models.items():
        cells = [_cell(values[part], key, best[key]) for key in shown]
        lines.append(f"| {LABELS[model]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: Summary, key: str, best: float | None) -> str:
    value = values.get(key)
    if value is None:
        return "–"
    text = _number(value)
    if best is not None and value == best:
        text = f"**{text}**"
    band = values.get(f"{key}_ci")
    return text if band is None else f"{text} [{_number(band[0])}, {_number(band[1])}]"


def _best(values: list[float | None], more: bool | None) -> float | None:
    known = [value for value in values if value is not None]
    if more is None or not known:
        return None
    return max(known) if more else min(known)


def _versus(rows: list[Summary], columns: Columns) -> str:
    lines = ["| Ours against the best baseline | baseline | ours minus it | 95 % interval | |", "|---|---|---|---|---|"]
    lines += [
        f"| {columns[row['column']][0]} | {LABELS[row['baseline']]} | {_signed(row['difference'])} | "
        f"{_signed(row['difference_ci'][0])} to {_signed(row['difference_ci'][1])} | {row['verdict']} |"
        for row in rows
    ]
    return "\n".join(lines)


def _number(value: float) -> str:
    if abs(value) >= 10:
        return f"{value:.1f}"
    text = f"{value:.4f}" if abs(value) < 0.1 else f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def _signed(value: float) -> str:
    return ("+" if value >= 0 else "-") + _number(abs(value))
