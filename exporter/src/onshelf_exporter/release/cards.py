"""Model cards: what each model of a release is for, what it was measured to do, and where it should not be used.

After Mitchell et al. (2019), Model cards for model reporting. Every figure comes from the manifest or from an
evaluation; where there is none the card says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Content = dict[str, Any]
NOT_MEASURED = "Not measured for this model release: run `onshelf-exporter evaluate`."


@dataclass(frozen=True, kw_only=True)
class Card:
    """The written part of a card.

    Attributes:
        title: what the card is about.
        models: the models of the release that it describes.
        what: what they compute.
        intended: what for, and by whom.
        not_for: what they must not be used for.
        part: part of the evaluation with its figures: "demand", "warm", "cold" or "practice"; empty where it has none.
        training: keys of the manifest's `metrics` that training measured on launches held out.
        limits: where they are weak.
        ethics: what can do harm, and what is done about it.
    """

    title: str
    models: tuple[str, ...]
    what: str
    intended: str
    not_for: str
    part: str
    training: tuple[str, ...]
    limits: tuple[str, ...]
    ethics: tuple[str, ...]


PEOPLE = (
    "It learns from what the members of a panel bought, under pseudonyms. It holds no name, address or e-mail; a user "
    "who is forgotten must be missing from the next training.",
    "Demographic columns of the data are not among its inputs; purchases can still stand in for income, faith or "
    "health. Look at who is shown what before a sensitive product is promoted.",
)
CARDS = {
    "product_encoder": Card(
        title="product_encoder: reads a product",
        models=("product_encoder", "product_encoder_fp32", "product_encoder_int8"),
        what="Reads title, category, brand class, list price and private label of a product; gives its embedding, its "
        "vector for retrieval, the category it seems to belong to, and what past practice did with such products "
        "(channels, week, depth of promotion).",
        intended="The first step of every plan and of every recommendation of a product without sales.",
        not_for="As a judgement of what is best: its practice heads repeat what was done. As a search engine for text.",
        part="practice",
        training=("content",),
        limits=(
            "It is trained on the language and the titles of one shop; a title made mostly of unknown words is flagged "
            "by the gateway, not understood.",
            "Practice heads are propensities of one retailer's past, its constraints and habits included.",
        ),
        ethics=("Products of makers with few past launches are read less well, which can keep them small.",),
    ),
    "launch_outcome": Card(
        title="launch_outcome: forecasts an action",
        models=("launch_outcome",),
        what="Forecasts units (mean, dispersion, quantiles), buyers and repeat rate of a launch under each candidate "
        "action, 4 and 8 weeks after it.",
        intended="Comparing actions for one product, choosing stock, setting expectations, by people who know a shop.",
        not_for="Proving that a promotion works: effects of price and promotion are associations unless the report's "
        "placebo and doubly robust tables say otherwise. Demand beyond the data's range of prices or channels.",
        part="demand",
        training=("outcome",),
        limits=(
            "Many launches sell one unit or none in the panel: one forecast is rarely near, a sum of many is.",
            "Sales, not demand: what was out of stock looks like what nobody wanted.",
            "A launch that entered by a sale has sold one unit by definition; a plan is forecast as if promoted first.",
        ),
        ethics=(
            "A low forecast makes itself true where it decides shelf and promotion; now and then launch against it.",
            "Prices are bounded by the caller; the model must not be used to set prices by person.",
        ),
    ),
    "recommendations": Card(
        title="user_encoder, product_retrieval, product_neighbours and product_fit: products for a user",
        models=("user_encoder", "product_retrieval", "product_neighbours", "product_fit"),
        what="Score what the user bought before by habit, find what users like this one buy together, and fit new "
        "products to the history, also those that came after the release; with the products that speak for each.",
        intended="Lists of products for a household that has a history.",
        not_for="Inferring who somebody is. Users without any history, for whom the list is what sells anyway.",
        part="warm",
        training=("towers",),
        limits=(
            "Most of what is bought again was bought before: the list is strong on habits and weak on discoveries.",
            "New products have room in a list only where the caller keeps a share of its places for them.",
        ),
        ethics=PEOPLE,
    ),
    "audience_retrieval": Card(
        title="audience_retrieval: users for a product",
        models=("audience_retrieval",),
        what="Ranks all users of the data by how likely they buy a product, whether it has sales or not.",
        intended="Choosing whom to tell about a launch.",
        not_for="Excluding people from offers, credit, prices or services. Groups below 10 users are never described.",
        part="cold",
        training=("towers",),
        limits=(
            "How much a household buys at all explains much of the ranking; the report prints activity alone.",
            "Measured on launches with at least 3 buyers; for most launches there are fewer.",
        ),
        ethics=PEOPLE,
    ),
    "launch_retrieval": Card(
        title="launch_retrieval: past launches that resemble a product",
        models=("launch_retrieval",),
        what="Finds the past launches whose embeddings are nearest.",
        intended="Evidence beside a forecast: what happened to launches of this kind.",
        not_for="A forecast of its own: the analogs' outcomes are in the tables as a baseline.",
        part="",
        training=(),
        limits=(
            "Near in text, category and brand is not near in price, season or plan; the answer shows all of them.",
        ),
        ethics=("It names products of other makers with their past sales: show it to the retailer's own people.",),
    ),
    "review_sentiment": Card(
        title="review_sentiment: reads a sentence of a review",
        models=("review_sentiment",),
        what="Says how likely a sentence speaks ill of a product, is neutral, or speaks well of it.",
        intended="Summaries of a launch's reviews, from 10 reviews on; complaints that customer service should read.",
        not_for="Judging people, or single reviews without reading them. Languages that the tokenizer does not know: "
        "their reviews are not read, and the report says so.",
        part="",
        training=("reviews",),
        limits=(
            "It learns from the shop's own stars and texts where there are 500; else from sentences about other goods, "
            "films and medicines that packages ship.",
            "Irony, and praise for another product, are often misread.",
        ),
        ethics=("Reviews are written by people: a complaint is quoted, with its event, not attributed to a user.",),
    ),
}
HEADINGS = {
    "wape": "WAPE (median)",
    "wape_pf": "WAPE, promotion first",
    "poisson_deviance": "Poisson deviance (mean)",
    "bias": "bias",
    "spearman": "Spearman",
    "top10_capture": "top-10 % capture",
    "pinball": "mean pinball",
    "pit_coverage80": "PIT in [.1, .9]",
    "pit_p": "PIT uniformity p",
    "all_n10": "N@10",
    "all_r10": "R@10",
    "new_n10": "N@10, new to the household",
    "new_r10": "R@10, new to the household",
    "auc": "AUC",
    "map": "mAP",
    "r100": "R@100 households",
    "lift10": "lift@10 %",
    "rec_n10": "N@10 of launches for households",
    "rec_r10": "R@10 of launches for households",
}
PRACTICE = {
    "map": "macro mAP over channels",
    "auc": "macro AUC over channels",
    "any_display_auc": "AUC, any display",
    "any_mailer_auc": "AUC, any mailer",
}
SLICES = {
    "demand": {
        "wape": "WAPE",
        "poisson_deviance": "Poisson deviance",
        "bias": "bias",
        "coverage80": "PIT in [.1, .9]",
        "p": "p",
    },
    "warm": {key: HEADINGS[key] for key in ("all_n10", "all_r10", "new_n10", "new_r10")},
    "cold": {key: HEADINGS[key] for key in ("auc", "map", "r100", "lift10")},
    "practice": PRACTICE,
}


def write_cards(folder: Path, manifest: Content, evaluation: Content | None) -> None:
    """Write one card per model of a release as Markdown below `folder`.

    Args:
        folder: made if it is not there.
        manifest: of the model release.
        evaluation: content of evaluation.json; None where there is none. One of another model release is used only if
            recipe and data are the same, and named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, card in CARDS.items():
        (folder / f"{name}.md").write_text(render(card, manifest, _fitting(manifest, evaluation)), encoding="utf-8")


def render(card: Card, manifest: Content, evaluation: Content | None) -> str:
    """One card as Markdown."""
    sections = [
        f"# Model card: {card.title}",
        _identity(manifest),
        "## What it does\n\n" + card.what,
        f"## Intended use\n\n{card.intended}\n\nNot for: {card.not_for}",
        _data(manifest),
        _metrics(card, manifest, evaluation),
        "## Limits\n\n" + _bullets(card.limits),
        "## Ethics\n\n" + _bullets(card.ethics),
        _export(card, manifest),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _fitting(manifest: Content, evaluation: Content | None) -> Content | None:
    if evaluation is None or evaluation["data_hash"] != manifest["data_hash"]:
        return None
    return evaluation if evaluation["model_release"]["recipe"] == manifest["recipe"] else None


def _identity(manifest: Content) -> str:
    version = manifest.get("version")
    return (
        f"Model release {version if version is not None else '(not published)'}, role {manifest['role']}, recipe "
        f"{manifest['recipe']}, seed {manifest.get('seed')}, commit {manifest.get('git_commit')}."
    )


def _data(manifest: Content) -> str:
    basis = manifest.get("units_basis")
    described = basis.get("description", "") if isinstance(basis, dict) else (basis or "")
    users = basis.get("users") if isinstance(basis, dict) else None
    lines = [
        f"Data set {manifest['dataset']} up to week {manifest['cut_week']} (as of {manifest['as_of']}); content "
        f"{str(manifest['data_hash'])[:12]}.",
        f"Text encoder fine-tuned on weeks up to {manifest.get('encoder_cut_week', 'unknown')}.",
        f"Units: {described}" + (f"; {users:,} users." if users is not None else "."),
    ]
    rule = manifest.get("launch_rule")
    return "## Data\n\n" + _bullets([*lines, *([f"Launch: {rule}"] if rule else [])])


def _metrics(card: Card, manifest: Content, evaluation: Content | None) -> str:
    parts = ["## Metrics"]
    trained = manifest.get("metrics", {})
    held = {key: trained[key] for key in card.training if key in trained}
    if card.part:
        parts.append(_evaluated(card.part, evaluation))
    if held:
        figures = [f"{name}: {_value(value)}" for name, value in _flat(held)]
        parts.append("Measured in training, on what was held out before the cut:\n\n" + _bullets(figures))
    if card.part and evaluation is not None:
        parts.append(_slices(card.part, evaluation))
        parts = [part for part in parts if part]
    return (
        "\n\n".join(parts) if len(parts) > 1 else f"## Metrics\n\n{NOT_MEASURED if card.part else 'None of its own.'}"
    )


def _evaluated(part: str, evaluation: Content | None) -> str:
    if evaluation is None:
        return NOT_MEASURED
    ours = _ours(part, evaluation)
    if ours is None:
        return NOT_MEASURED
    release = evaluation["model_release"]
    rivals = {row["column"]: row for row in evaluation["versus"].get(part, [])}
    lines = [
        f"The {evaluation['split']} split of {evaluation['dataset']}, by model release {release['version']} "
        f"({release['role']}, cut at week {release['cut_week']}):",
        "",
        "| Column | value | 95 % interval | minus the best baseline |",
        "|---|---|---|---|",
    ]
    for key, heading in (PRACTICE if part == "practice" else HEADINGS).items():
        if ours.get(key) is None:
            continue
        band = ours.get(f"{key}_ci")
        row = rivals.get(key)
        shown = "–" if band is None else f"{_value(band[0])} to {_value(band[1])}"
        gap = "–" if row is None else f"{row['difference']:+.3f} ({row['verdict']})"
        lines.append(f"| {heading} | {_value(ours[key])} | {shown} | {gap} |")
    return "\n".join(lines)


def _ours(part: str, evaluation: Content) -> Content | None:
    """Our figures of a part; None where it was not measured."""
    if part != "practice":
        found: Content | None = evaluation["ours"].get(part)
        return found
    models: Content = evaluation.get("policy", {}).get("practice", {}).get("models", {})
    return models.get("served")


def _slices(part: str, evaluation: Content) -> str:
    """Figures by slice; empty where there are none."""
    if part == "demand":
        rows = evaluation["slices"]
    else:
        measured = evaluation.get("policy", {}) if part == "practice" else evaluation
        rows = measured.get(part, {}).get("slices", [])
    if not rows:
        return ""
    columns = SLICES[part]
    lines = [f"| Slice | n | {' | '.join(columns.values())} |", "|---" * (len(columns) + 2) + "|"]
    lines += [
        f"| {row['slice']} | {_value(row['n'])} | {' | '.join(_value(row[key]) for key in columns)} |" for row in rows
    ]
    return "\n".join(lines)


def _export(card: Card, manifest: Content) -> str:
    lines = []
    for name in card.models:
        model = manifest["models"].get(name)
        if model is not None:
            size = f", {model['bytes'] / 1e6:.1f} MB" if "bytes" in model else ""
            checked = [
                f"{key} {_value(value)}"
                for key, value in _flat({k: model[k] for k in ("parity", "int8") if k in model})
            ]
            lines.append(f"{name}{size}" + (f"; checked against PyTorch: {', '.join(checked)}" if checked else ""))
    return "## Export\n\n" + _bullets(lines) if lines else ""


def _flat(values: Content, above: str = "") -> list[tuple[str, Any]]:
    """Names and numbers of a nested dictionary; lists are left out."""
    result: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            result += _flat(value, f"{above}{key}.")
        elif isinstance(value, int | float | str) and not isinstance(value, bool):
            result.append((f"{above}{key}", value))
    return result


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float) and not (value.is_integer() and abs(value) >= 1):
        return f"{value:.3g}" if abs(value) < 0.1 else f"{value:.3f}"
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
