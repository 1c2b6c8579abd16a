"""What users who are held out are recommended: the same ranking, but nothing that targets new products at them.

New products get no places, and come where their sales so far bring them. Where new products alone are asked for, their
order is drawn: each of those that were found is as likely at a place as the others.
"""

import dataclasses
from typing import TypeVar

import numpy as np

from onshelf.v1 import recommendation_pb2, types_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.inference.outputs import Retrieved

NEW = recommendation_pb2.RECOMMENDATION_SCOPE_NEW_PRODUCTS
Q = TypeVar("Q")


def untargeted(call: Call, question: Q) -> Q:
    """A checked question as the control policy answers it, with a notice of it."""
    only_new = question.scope == NEW  # type: ignore[attr-defined]
    call.notice(
        types_pb2.NOTICE_CODE_HELD_OUT,
        "the user is held out (--holdout-share): "
        + ("new products are in an order that was drawn" if only_new else "new products get no places of their own"),
        "" if only_new else "new_product_share",
    )
    return dataclasses.replace(question, new_product_share=0.0)  # type: ignore[type-var]


def in_lots(found: Retrieved, place: float) -> Retrieved:
    """Products in an order that is drawn; a user's own place is the seed, so that the user always meets the same."""
    return found.take(np.random.default_rng(int(place * (1 << 53))).permutation(len(found.indices)))
