"""How well late first meetings are counted, on invented assortments whose truth is known.

    python benchmarks/late_first_meetings.py

Prints a Markdown table: products first seen after a burn-in, how many of them are old, what `data` estimates, and the
burn-in that it chooses.
"""

import numpy as np

from onshelf_exporter.data.appearances import Appearances, appearances, burn_in_for

OLD, NEW = 1_000, 300  # products on sale from before the data on, and launches
WEEKS = (26, 52, 104)
SPREADS = (0.8, 1.5, 2.0)  # standard deviation of the log of weekly sales: the larger, the more slow sellers
BURN_IN = 8


def invented(weeks: int, spread: float, seed: int = 0) -> tuple[Appearances, int]:
    """Appearances of an assortment, and how many old products are first seen after BURN_IN weeks."""
    random = np.random.default_rng(seed)
    rate = np.exp(random.normal(-1.0, spread, OLD))
    old = random.random((OLD, weeks)) < 1 - np.exp(-rate[:, None])
    rate = np.exp(random.normal(-0.5, 1.0, NEW))
    on_sale = np.arange(weeks) >= random.integers(1, weeks, NEW)[:, None]
    new = (random.random((NEW, weeks)) < 1 - np.exp(-rate[:, None])) & on_sale
    product, week = np.nonzero(np.concatenate([old, new]))
    late = old.any(axis=1) & ~old[:, :BURN_IN].any(axis=1)
    return appearances(product, week + 1, 1, weeks), int(late.sum())


def main() -> None:
    """Print the table."""
    print(f"| Weeks | Spread | First seen after {BURN_IN} weeks | of them old | estimated | burn-in chosen |")
    print("|---|---|---|---|---|---|")
    for weeks in WEEKS:
        for spread in SPREADS:
            found, late = invented(weeks, spread)
            met, estimate = found.after(BURN_IN)
            print(f"| {weeks} | {spread} | {met} | {late} | {estimate:.0f} | {burn_in_for(found)} |")


if __name__ == "__main__":
    main()
