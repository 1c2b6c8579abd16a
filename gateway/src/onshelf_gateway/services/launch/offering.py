"""What decides about an answer besides its question: how plans are drawn, and who is held out of audiences."""

from dataclasses import dataclass

from onshelf.v1 import launch_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.planning import exploration
from onshelf_gateway.planning.exploration import Exploring, first_probabilities, product_key
from onshelf_gateway.settings import Settings

L = launch_pb2


@dataclass(frozen=True)
class Offering:
    """Settings as they were when an answer was given.

    Attributes:
        product: what the product is known by. exploring: how the first plan is drawn; None: the best one stands first.
        holdout: share of users held out.
    """

    product: str
    exploring: Exploring | None
    holdout: float

    def explore(self, call: Call, answer: L.PlanLaunchResponse, weeks: int) -> None:
        """Draw the plan that stands first. Where promotion is free nothing is drawn: the frontier is the answer."""
        if self.exploring is None or answer.frontier_instead_of_winner:
            return
        plans, said = exploration.explore(self.exploring, self.product, list(answer.plans), weeks)
        del answer.plans[:]
        answer.plans.extend(plans)
        answer.exploration.CopyFrom(said)
        if said.drawn:
            call.notice(types_pb2.NOTICE_CODE_ORDER_DRAWN, exploration.words(said))


def offering_of(settings: Settings, product: types_pb2.Product) -> Offering:
    """That of the gateway now."""
    share = settings.exploration_share
    drawing = Exploring(share, settings.exploration_margin, settings.exploration_seed) if share > 0 else None
    return Offering(product_key(product.product_id, product.title), drawing, settings.holdout_share)


def offering_then(response: L.PlanLaunchResponse, product: types_pb2.Product) -> Offering:
    """That of an answer, to make it again."""
    said, drawn = response.exploration, response.HasField("exploration")
    exploring = Exploring(said.share, said.margin, said.seed) if drawn else None
    return Offering(product_key(product.product_id, product.title), exploring, response.holdout_share)


def held_out_words(share: float) -> str:
    """What the notice of an audience says."""
    return f"{share:.3g} of all users, by lot, are held out and missing in the audience (--holdout-share)"


def offers(response: L.PlanLaunchResponse) -> list[dict[str, object]]:
    """What was offered, as it is remembered; where the first plan can be drawn, with the probability to stand first."""
    found: list[dict[str, object]] = [{"launch_date": one.action.launch_date} for one in response.plans]
    if response.HasField("exploration"):
        chances = first_probabilities(response.exploration, len(found))
        found = [offer | {"probability": chance} for offer, chance in zip(found, chances, strict=True)]
    return found
