"""What a model release could not learn, because the data do not say it: a plan repeats it as notices."""

from onshelf_exporter.data.weeks import first_whole_week
from onshelf_exporter.training.history import History
from onshelf_release.codes import LEVELS

YEAR = 52  # weeks


def not_learned(history: History) -> list[str]:
    """Sentences for people: what is missing, and what a plan lacks by it."""
    found = []
    if history.users.empty:
        found.append("the data have no users: no audience, no recommendations, no buyers")
    known = history.ids[history.known]
    columns = {level: known[:, place] for place, level in enumerate(LEVELS)}
    if not columns["department"].any():
        found.append("products have no categories: what is usual is that of the whole shop")
    if not columns["brand"].any():
        found.append("products have no brands: brands cannot be told apart")
    if history.promotions.empty:
        found.append("the data have no promotions: plans choose week and price only")
    if not (history.sales["discount"] > 0).any():
        found.append("the data have no discounts: what a price cut does is assumed")
    if not (history.price[history.known] > 0).any():
        found.append("the data have no prices: what a price does is assumed")
    weeks = history.cut - first_whole_week(history.dataset) + 1
    if weeks < YEAR:
        found.append(f"the data hold {weeks} weeks: the season of the weeks beyond them is not known")
    return found
