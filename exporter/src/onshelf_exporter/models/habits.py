"""What a history says of its own products: how often, how lately, how regularly, and what else of their kind.

A history is a list of events (product number, age in weeks, quantity, kind); everything here is computed from it inside
the graphs. A product's figures stand at its first event in the list, so that a request's own events need no merging.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from onshelf_exporter.models.scorer import NONE

HALF_LIVES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # weeks
LONG = HALF_LIVES.index(16.0)
SHORT = HALF_LIVES.index(4.0)
NEVER = 99.0  # weeks since something that did not happen
FLOOR = 0.02  # of a decayed count, below its logarithm
PURCHASE = 1
OTHER_WEIGHT = 0.25  # of an event that is no purchase, as a sign of taste


class Habits(NamedTuple):
    """Per event [batch, events]; figures of a product stand at each of its events.

    `first` marks each product's first event; `decayed` [batch, events, 6] and `times` are of purchases, `other` [batch,
    events, 2] of views, clicks and the like; `kind_decayed` [batch, events, 2] and `kind_last` are of all purchases of
    the product's type; `taste` is how much the product says of what the user likes, 0 but at first events.
    """

    first: Tensor
    decayed: Tensor
    times: Tensor
    quantity: Tensor
    last: Tensor
    oldest: Tensor
    other: Tensor
    kind_decayed: Tensor
    kind_last: Tensor
    taste: Tensor


def read_habits(products: Tensor, ages: Tensor, quantities: Tensor, kinds: Tensor, types: Tensor) -> Habits:
    """Product numbers (0 = none), ages, quantities, kinds and the products' types, [batch, events] each."""
    there = products > 0
    ages = ages.clamp(min=0.0)
    bought = (there & (kinds == PURCHASE)).float()
    seen = (there & (kinds != PURCHASE)).float()
    same = (products.unsqueeze(2) == products.unsqueeze(1)).float() * there.float().unsqueeze(1)
    place = torch.arange(products.shape[1], device=products.device)
    before = (place.unsqueeze(0) < place.unsqueeze(1)).float()
    first = there.float() * ((same * before).sum(2) < 0.5).float()
    buys = same * bought.unsqueeze(1)
    decay = torch.exp2(torch.stack([-ages / weeks for weeks in HALF_LIVES], dim=2))
    figures = torch.cat([decay, torch.ones_like(decay[:, :, :1]), quantities.clamp(0.0, 100.0).unsqueeze(2)], dim=2)
    sums = torch.matmul(buys, figures)
    count = sums[:, :, len(HALF_LIVES)]
    other = torch.matmul(same * seen.unsqueeze(1), decay[:, :, 1:4:2])
    decayed = sums[:, :, : len(HALF_LIVES)]
    later = ages.unsqueeze(1)
    last = (later * buys + NEVER * (1 - buys)).amin(2)
    oldest = (later * buys).amax(2)
    kin = (types.unsqueeze(2) == types.unsqueeze(1)).float() * (types > 0).float().unsqueeze(2) * bought.unsqueeze(1)
    kin = torch.maximum(kin, buys)
    return Habits(
        first=first,
        decayed=decayed,
        times=count,
        quantity=sums[:, :, -1] / count.clamp(min=1.0),
        last=last,
        oldest=oldest,
        other=other,
        kind_decayed=torch.matmul(kin, torch.stack([decay[:, :, SHORT], decay[:, :, LONG]], dim=2)),
        kind_last=(later * kin + NEVER * (1 - kin)).amin(2),
        taste=torch.sqrt(decayed[:, :, LONG] + OTHER_WEIGHT * other[:, :, 1]) * first,
    )


def known_events(history_products: Tensor, repeat_weights: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """The events that a retrieval reads of what `user_encoder` says: product numbers, 0 for others, and which they are.

    Args:
        history_products: product numbers INT64 [batch, events].
        repeat_weights: FP32 [batch, events], NONE but at first events of products.
        rows: of the table of products, row 0 among them.
    """
    inside = (history_products > 0) & (history_products < rows) & (repeat_weights > NONE / 2)
    return torch.where(inside, history_products, torch.zeros_like(history_products)), inside


def event_weights(habits: Habits) -> Tensor:
    """[batch, events, 4] at first events, 0 elsewhere: purchases, the same with half-lives of 4 and 16 weeks, and
    taste. Events that are no purchases count OTHER_WEIGHT."""
    other = OTHER_WEIGHT * habits.other[:, :, 1]
    return torch.stack(
        [
            (habits.times + other) * habits.first,
            (habits.decayed[:, :, SHORT] + other) * habits.first,
            (habits.decayed[:, :, LONG] + other) * habits.first,
            habits.taste,
        ],
        dim=2,
    )


def repeat_features(habits: Habits, likes: Tensor, own: Tensor, facts: Tensor, profile: Tensor) -> Tensor:
    """Features of buying each event's product again, [batch, events, width].

    Args:
        habits: of the history.
        likes: the product's score by what else the user buys, itself included [batch, events].
        own: the part of `likes` that the product itself has [batch, events].
        facts: of the products [batch, events, facts]; its first column is the log of the usual weeks between purchases.
        profile: of the user [batch, profile].
    """
    log, gap_of = torch.log, (habits.oldest - habits.last).clamp(min=0.0) / (habits.times - 1.0).clamp(min=1.0)
    again = (habits.times > 1.5).float()
    gap = gap_of.clamp(min=0.25)
    usual = torch.exp(facts[:, :, 0])
    long = habits.decayed[:, :, LONG]
    columns = torch.stack(
        [
            log(habits.times + FLOOR),
            torch.log1p(habits.last),
            torch.log1p(habits.oldest),
            again,
            torch.log1p(gap) * again,
            torch.log1p((habits.last / gap).clamp(max=50.0)) * again,
            torch.log1p(habits.last / usual.clamp(min=0.25)),
            torch.log1p(habits.quantity),
            log(habits.kind_decayed[:, :, 0] + FLOOR),
            log(habits.kind_decayed[:, :, 1] + FLOOR),
            torch.log1p(habits.kind_last),
            long / (habits.kind_decayed[:, :, 1] + 1e-3),
            torch.log1p((habits.last - habits.kind_last).clamp(min=0.0)),
            likes,
            log(likes.clamp(min=0.0) + 0.01),
            likes - own,
            log((likes - own).clamp(min=0.0) + 0.01),
        ],
        dim=2,
    )
    lately = torch.stack([habits.decayed[:, :, SHORT], habits.decayed[:, :, LONG]], dim=2)
    total = torch.log1p((lately * habits.first.unsqueeze(2)).sum(1, keepdim=True))
    events = habits.first.shape[1]
    user = torch.cat([profile.unsqueeze(1), total], dim=2).expand(-1, events, -1)
    return torch.cat([columns, log(habits.decayed + FLOOR), log(habits.other + FLOOR), facts, user], dim=2)
