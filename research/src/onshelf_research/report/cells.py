"""Tables of the report: which columns they have, what models are called, how numbers read."""

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
    "auc_per_buyer": ("AUC per buyer", True),
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
    "quantile_forest": "quantile random forest, median, with plan",
    "ensemble": "ensemble mean (tweedie + kNN + forest)",
    "lightgbm_q50_rolling": "LightGBM q50, with plan, rolling",
    "lightgbm_tweedie_rolling": "LightGBM tweedie 1.3, with plan, rolling",
    "quantile_forest_rolling": "quantile random forest, median, with plan, rolling",
    "ensemble_rolling": "ensemble mean (tweedie + kNN + forest), rolling",
    "lightgbm_share": "LightGBM, share of the buyers",
    "no_update": "ours before the launch, no update",
    "gamma_poisson_category": "Gamma-Poisson update of the category's mean",
    "lightgbm_early_q50": "LightGBM q50 on the first weeks' sales",
    "lightgbm_early_tweedie": "LightGBM tweedie on the first weeks' sales",
    "item_knn_bm25": "item-kNN BM25",
    "als": "ALS, 128 factors",
    "als_content_ridge": "ALS + content-to-factor ridge",
    "two_sided_content_knn": "LightGBM two-sided, with plan, blended with content kNN",
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
    "lightgbm_two_sided": "LightGBM two-sided, with plan",
    "overall_share": "overall share",
    "category_share": "category share",
    "mean_week": "mean week of the training launches",
    "ours": "**ours, as served**",
    "ours_rolling": "**ours, fitted again for each week**",
}
OUTCOMES = {
    "units_4w": "Units in 4 weeks",
    "revenue_8w": "Revenue in 8 weeks",
    "buyers_8w": "Buyers in 8 weeks",
    "repeat": "Buyers who buy again",
}
POLICY: Columns = {
    "sndr": ("SNDR", True),
    "ess": ("effective sample size", None),
    "regret": ("regret in the simulator", False),
}


def table(summary: Summary, part: str, columns: Columns) -> str:
    """Markdown of one part of the summary: the baselines and ours, one row each."""
    models = {name: values for name, values in summary["baselines"].items() if part in values}
    if part in summary["ours"]:
        models["ours"] = summary["ours"]
    return rows_of(models, part, columns)


def rows_of(models: dict[str, Summary], part: str, columns: Columns) -> str:
    """Markdown of some models, given by name with their numbers under `part`; only columns that one of them has."""
    shown = {key: kind for key, kind in columns.items() if any(key in values[part] for values in models.values())}
    best = {key: _best([v[part].get(key) for v in models.values()], more) for key, (_, more) in shown.items()}
    lines = [
        "| Model | " + " | ".join(heading for heading, _ in shown.values()) + " |",
        "|---" * (len(shown) + 1) + "|",
    ]
    for model, values in models.items():
        cells = [_cell(values[part], key, best[key]) for key in shown]
        lines.append(f"| {label(model)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sliced(rows: list[Summary], columns: Columns) -> str:
    """Markdown of slices of ours, one row each; empty where there is none."""
    shown = [(key, heading) for key, (heading, _) in columns.items() if any(key in row for row in rows)]
    if not shown:
        return ""
    lines = [
        f"| Ours, slice | n | {' | '.join(heading for _, heading in shown)} |",
        "|---" * (len(shown) + 2) + "|",
    ]
    lines += [
        f"| {row['slice']} | {row['n']:,} | {' | '.join(_cell(row, key, None) for key, _ in shown)} |" for row in rows
    ]
    return "\n".join(lines)


def label(model: str) -> str:
    """How a model is called in the report."""
    return LABELS.get(model, model.replace("_", " "))


def _cell(values: Summary, key: str, best: float | None) -> str:
    value, band = values.get(key), values.get(f"{key}_ci")
    text = number(value)
    if best is not None and value == best:
        text = f"**{text}**"
    return text if value is None or band is None or None in band else f"{text} [{number(band[0])}, {number(band[1])}]"


def _best(values: list[float | None], more: bool | None) -> float | None:
    known = [value for value in values if value is not None]
    if more is None or not known:
        return None
    return max(known) if more else min(known)


def versus(rows: list[Summary], columns: Columns) -> str:
    """Markdown of ours against the best baseline of each column."""
    lines = ["| Ours against the best baseline | baseline | ours minus it | 95 % interval | |", "|---|---|---|---|---|"]
    lines += [
        f"| {columns[row['column']][0]} | {label(row['baseline'])} | {signed(row['difference'])} | "
        f"{signed(row['difference_ci'][0])} to {signed(row['difference_ci'][1])} | {row['verdict']} |"
        for row in rows
    ]
    return "\n".join(lines)


def number(value: float | None) -> str:
    """A number as the report shows it: three significant places, no leading zero; a dash where there is none."""
    if value is None:
        return "–"
    if abs(value) >= 10:
        return f"{value:.1f}"
    text = f"{value:.4f}" if abs(value) < 0.1 else f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def signed(value: float | None) -> str:
    """The same with its sign."""
    return number(value) if value is None else ("+" if value >= 0 else "-") + number(abs(value))
