"""The policy part of an evaluation as Markdown."""

from typing import Any

Numbers = dict[str, Any]
CATEGORIES = 15  # whose effects are shown

NAMES = {
    "served": "**ours, served**",
    "planner": "**ours (planner)**",
    "planner_with_cost": "ours, promotion at a cost",
}


def render(numbers: Numbers) -> str:
    """Markdown with headings of level 2 and 3."""
    parts = ["## Practice, effects and policy"]
    if "skipped" in numbers:
        return f"{parts[0]}\n\nNot measured: {numbers['skipped']}.\n"
    for title, make, content in (
        ("What practice does", _practice, numbers["practice"]),
        ("What promotion is associated with: launches", _launches, numbers["effects"]["launches"]),
        ("What promotion is associated with: all product-weeks", _panel, numbers["effects"]["panel"]),
        ("Survivors", _survivors, numbers["survivors"]),
        ("What policies would be worth", _values, numbers["values"]),
        ("Simulated worlds", _simulator, numbers["simulator"]),
        ("When", _timing, numbers["timing"]),
    ):
        body = f"Not measured: {content['skipped']}." if "skipped" in content else make(content)
        parts.append(f"### {title}\n\n{body}")
    return "\n\n".join(parts) + "\n"


def _practice(content: Numbers) -> str:
    keys = ("map", "auc", "any_display_auc", "any_mailer_auc")
    rows = [
        [NAMES.get(name, name), *(_with_bounds(entry[key], entry.get(f"{key}_ci")) for key in keys)]
        for name, entry in content["models"].items()
    ]
    other = content["promotion"]
    lines = [
        f"{len(content['channels'])} channels, {content['launches']:,} launches, first four weeks; learned from "
        f"{content['trained']:,}. A propensity says what is done, not what is best.",
        _table(["Model", "macro mAP", "macro AUC", "any display AUC", "any mailer AUC"], rows),
        _table(
            ["Ours, slice", "launches", "macro mAP", "macro AUC", "any display AUC", "any mailer AUC"],
            [[one["slice"], f"{one['n']:,}", *(_number(one[key]) for key in keys)] for one in content["slices"]],
        ),
        f"Served propensities sum to {_number(content['expected_to_actual'])} of what happened.",
    ]
    if other:
        lines.append(
            f"Any discount ({_percent(other['share'])} of launches): AUC {_number(other['served'])}, category rate "
            f"{_number(other['category_rate'])}."
        )
    if content["week"]:
        lines.append(
            f"Launch week among the {content['week']['weeks']} measured weeks: mean rank "
            f"{_number(content['week']['served'])} (chance .5)."
        )
    return "\n\n".join(lines)


def _launches(content: Numbers) -> str:
    rows = []
    for name, entry in content.items():
        if "skipped" in entry:
            rows.append([name, f"{entry['treated']:,}", entry["skipped"], "", ""])
            continue
        rows.append(
            [
                name,
                f"{entry['treated']:,} of {entry['rows']:,}",
                _signed(entry["naive"]),
                _lift(entry["doubly_robust"]),
                _lift(entry["placebo_permuted"]),
            ]
        )
    return (
        "Units of 8 weeks of launches that entered by a promotion, with against without. Doubly robust, cross-fitted; "
        "associations, not proofs of cause.\n\n"
        + _table(["Promotion", "promoted", "naive lift", "doubly robust", "placebo: permuted"], rows)
    )


def _panel(content: Numbers) -> str:
    rows, spread = [], []
    for name, entry in content["effects"].items():
        if "skipped" in entry:
            rows.append([name, f"{entry['treated']:,}", entry["skipped"], "", "", "", ""])
            continue
        rows.append(
            [
                name,
                f"{entry['treated']:,}",
                _signed(entry["naive"]),
                _lift(entry["doubly_robust"]),
                _signed(entry["naive_future"]),
                _lift(entry["placebo_future"]),
                _lift(entry["placebo_permuted"]),
            ]
        )
        for level in ("department", "category"):
            shrunk = [part["shrunk"] for part in entry[f"by_{level}"].values()]
            if shrunk:
                where = f"{len(shrunk)} {'departments' if level == 'department' else 'categories'}"
                spread.append(f"{name}, {where}: {_signed(min(shrunk))} to {_signed(max(shrunk))}")
    header = [
        "Promotion",
        "product-weeks",
        "naive lift",
        "doubly robust",
        "naive, next week's promotion",
        "placebo: next week's promotion",
        "placebo: permuted",
    ]
    lines = [
        f"{content['rows']:,} product-weeks of {content['products']:,} products that sell in most weeks; a week is "
        "compared with the same product's weeks before. A placebo that is not zero is selection that the covariates "
        "leave.",
        _table(header, rows),
    ]
    if spread:
        lines.append("Shrunk by empirical Bayes, departments to the shop and categories to their department: ")
        lines[-1] += "; ".join(spread) + "."
        lines += _categories(content)
    return "\n\n".join(lines)


def _categories(content: Numbers) -> list[str]:
    """Effects of the categories that are promoted most, and a line above them; none where no category has enough."""
    by_name = {name: entry.get("by_category", {}) for name, entry in content["effects"].items()}
    promoted = {
        number: max(effects[number]["treated"] for effects in by_name.values() if number in effects)
        for number in content["categories"]
        if any(number in effects for effects in by_name.values())
    }
    if not promoted:
        return []
    most = sorted(promoted, key=lambda number: -promoted[number])[:CATEGORIES]

    def cell(effects: Numbers, number: str) -> str:
        one = effects.get(number)
        return "-" if one is None else f"{_signed(one['shrunk'])} ± {100 * one['error']:.1f}"

    rows = [[content["categories"][n], *(cell(effects, n) for effects in by_name.values())] for n in most]
    return [
        f"The {len(most)} categories with the most promoted weeks: shrunk effect and its standard error.",
        _table(["Category", *by_name], rows),
    ]


def _survivors(content: Numbers) -> str:
    groups = [
        [
            name,
            f"{entry['launches']:,}",
            _number(entry["mean_units"]),
            _percent(entry["share_without_a_sale"]),
            _percent(entry["share_promoted"]),
        ]
        for name, entry in content["groups"].items()
    ]
    ratios = [
        [name, _number(value), _signed(None if value is None else value - 1.0)]
        for name, value in content["without_promotion"].items()
    ]
    return "\n\n".join(
        [
            "Launches that enter by a sale have no zeros, so that a model of all launches takes *not promoted* for "
            "*selected by a sale*.",
            _table(["Entered", "launches", "mean units", "without a sale", "promoted"], groups),
            f"Units without any promotion / with the one that {content['measured']:,} promotion-first launches had:",
            _table(["Model", "ratio", "effect of no promotion"], ratios),
        ]
    )


def _values(content: Numbers) -> str:
    rows = [
        [
            NAMES.get(name, name),
            _with_bounds(entry["snips"], entry["snips_ci"]),
            _with_bounds(entry["dr"], entry["dr_ci"]),
            _with_bounds(entry["sndr"], entry["sndr_ci"]),
            "-" if entry["ess"] is None else f"{entry['ess']:.0f}",
            _number(None if entry["sndr"] is None else entry["sndr"] - entry["mean_cost"]),
        ]
        for name, entry in content["policies"].items()
    ]
    actions = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in content["actions"].items())
    costs = ", ".join(f"{name.replace('_', ' ')} {cost:g}" for name, cost in content["costs"].items())
    observed = content["policies"]["logging"]["observed"]
    return "\n\n".join(
        [
            f"Units of 8 weeks (at most 50) a launch over {content['launches']:,} promotion-first launches "
            f"({actions}); observed {_number(observed)}. 95 % intervals by the clustered bootstrap.",
            _table(["Policy", "SNIPS", "DR", "SNDR", "effective sample", "SNDR after costs"], rows),
            f"Costs assumed, in units: {costs}. The best constant is {content['best_constant'].replace('_', ' ')}. No "
            f"estimate with an effective sample below {content['gate']:,.0f} decides anything: the simulator does.",
        ]
    )


def _simulator(content: Numbers) -> str:
    main = content["main"]
    rows = [
        [NAMES.get(name, name), _with_bounds(entry["regret"], entry["regret_ci"]), _percent(entry["optimal"])]
        for name, entry in main["learners"].items()
    ]
    lines = [
        f"Real covariates, invented effects and practice (assumptions: `policy/simulator.py`), {content['seeds']} "
        "worlds. Regret is the share of the best expected profit that is lost. best_constant knows the truth. Ours is "
        "the planner's method learned in each world, not the served graph, which knows the real one.",
        _table(["Learner", "regret", "optimal actions"], rows),
        f"Ours has {_percent(main['less_regret_than_nearest'])} less regret than the nearest ({main['nearest']}). Its "
        f"90 % intervals of effects cover {_percent(main['coverage90'])} (channels "
        f"{_percent(main['coverage90_channels'])}).",
    ]
    if content["sensitivity"]:
        names = [name for name in main["learners"] if name != "practice"]
        table = [
            [
                *(f"{value:g}" for value in entry["setting"].values()),
                *(_number(entry["learners"][name]["regret"]) for name in names),
                "ours" if entry["wins"] else entry["nearest"],
                _percent(entry["coverage90"]),
            ]
            for entry in content["sensitivity"]
        ]
        lines.append(f"Regret elsewhere, {content['sensitivity'][0]['worlds']} worlds each:")
        header = ["confounding", "heterogeneity", "transfer error", "saturation", *names, "lowest", "coverage of 90 %"]
        lines.append(_table(header, table))
    return "\n\n".join(lines)


def _timing(content: Numbers) -> str:
    return (
        f"Launch week explains {_percent(content['explained'])} of what category and entry leave of the variance of "
        f"log units ({content['launches']:,} launches, {content['weeks']} weeks); permuted weeks explain "
        f"{_percent(content['by_chance'])} (95 % of them up to {_percent(content['by_chance_95'])}; p = "
        f"{_number(content['p_value'])}). Timing therefore comes from the season of the category over all sales, whose "
        f"correlation with the same remainder is {_number(content['season_correlation'])}; one standard deviation of "
        f"it is {_percent(content['season_spread'])} of units."
    )


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.1f} %"


def _lift(entry: Numbers) -> str:
    if entry["lift"] is None:
        return "-"
    return f"{_signed(entry['lift'])} [{_signed(entry['low'])}, {_signed(entry['high'])}]"


def _with_bounds(value: float | None, bounds: list[float | None] | None) -> str:
    if bounds is None or bounds[0] is None:
        return _number(value)
    return f"{_number(value)} [{_number(bounds[0])}, {_number(bounds[1])}]"
