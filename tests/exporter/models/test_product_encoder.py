import pytest
import torch
from model_builders import SIZES, product_encoder

from onshelf_exporter.models.product_encoder import circular_basis

IDS = torch.tensor([[1, 2, 3, 1], [0, 0, 0, 0]])
ATTRIBUTES = torch.tensor([[2.5, 1.0], [0.0, -1.0]])


def tokens(padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.tensor([[2, 7, 9, 11, 3], [2, 5, 3, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    more = torch.zeros(2, padding, dtype=torch.int64)
    return torch.cat([ids, more + 13], dim=1), torch.cat([mask, more], dim=1)


@pytest.mark.parametrize("padding", [1, 11, 40])
def test_padding_changes_nothing(padding: int) -> None:
    model = product_encoder(1)
    for short, long in zip(model(*tokens(0), IDS, ATTRIBUTES), model(*tokens(padding), IDS, ATTRIBUTES), strict=True):
        assert torch.allclose(short, long, atol=1e-5)


def test_outputs_have_the_shapes_and_norms_of_the_signature() -> None:
    outputs = product_encoder(2)(*tokens(0), IDS, ATTRIBUTES)
    embedding, _, _, channels, weeks, discounts, _, _ = outputs
    assert [tuple(t.shape) for t in outputs] == [
        (2, 128),
        (2, 64),
        (2, SIZES[2]),
        (2, 32),
        (2, 53),
        (2, 5),
        (2, 4),
        (2, 1),
    ]
    one = torch.ones(2)
    assert torch.allclose(embedding.norm(dim=1), one)
    assert torch.allclose(weeks.sum(1), one)
    assert torch.allclose(discounts.sum(1), one)
    assert bool(((channels >= 0) & (channels <= 1)).all())


def test_the_price_changes_what_practice_did_but_not_what_the_product_is() -> None:
    model = product_encoder(3)
    cheap, dear = (model(*tokens(0), IDS, torch.tensor([[price, 1.0], [price, -1.0]])) for price in (0.5, 60.0))
    assert torch.equal(cheap[0], dear[0])
    assert torch.equal(cheap[1], dear[1])
    assert not torch.allclose(cheap[3], dear[3])


def test_ids_beyond_the_vocabulary_count_as_unknown() -> None:
    model = product_encoder(4)
    beyond, unknown = model(*tokens(0), IDS * 0 + 999, ATTRIBUTES), model(*tokens(0), IDS * 0, ATTRIBUTES)
    for a, b in zip(beyond, unknown, strict=True):
        assert torch.equal(a[..., :3] if a.dtype == torch.int64 else a, b[..., :3] if b.dtype == torch.int64 else b)


def test_the_type_is_read_from_the_text_alone() -> None:
    model = product_encoder(5)
    with_ids, without = model(*tokens(0), IDS, ATTRIBUTES)[2], model(*tokens(0), IDS * 0, ATTRIBUTES * 0)[2]
    assert torch.equal(with_ids, without)


def test_weeks_lie_on_a_circle() -> None:
    basis = circular_basis(53, 13)
    similar = torch.nn.functional.cosine_similarity(basis[0:1], basis)
    assert similar[52] > 0.95
    assert similar[26] < 0.1
