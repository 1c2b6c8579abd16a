import pytest
import torch
from model_builders import outcome_graph, outcome_inputs
from torch.distributions import NegativeBinomial

from onshelf_exporter.models.launch_outcome import nb_loss

OUTPUTS = {"mean": 0, "quantiles": 2, "buyers": 3}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("column", "values", "direction"),
    [
        (1, [0.01, 0.5, 1.0, 4.0, 9.0, 80.0, 1e6], -1),
        (2, [0.0, 0.05, 0.2, 0.5, 1.0], 1),
        (3, [0.0, 1.0], 1),
        (5, [0.0, 0.1, 0.5, 1.0], 1),
        (36, [0.0, 0.3, 1.0], 1),
    ],
)
def test_no_action_acts_against_its_sign(seed: int, column: int, values: list[float], direction: int) -> None:
    graph = outcome_graph(seed)
    embedding, ids, attributes, actions = outcome_inputs(1)
    actions = actions.repeat(1, len(values), 1)
    actions[:, :, column] = torch.tensor(values)
    outputs = graph(embedding, ids, attributes, actions)
    for name, position in OUTPUTS.items():
        change = outputs[position].diff(dim=1) * direction
        assert bool((change >= -1e-4).all()), name
    assert bool((outputs[0].diff(dim=1) * direction > 0).any())


def test_quantiles_rise_with_level_and_start_at_nothing() -> None:
    quantiles = outcome_graph(1)(*outcome_inputs(20))[2]
    assert quantiles.shape == (3, 20, 2, 11)
    assert bool((quantiles.diff(dim=3) >= 0).all())
    assert bool((quantiles >= 0).all())


def test_buyers_are_at_most_units_and_rates_are_rates() -> None:
    mean, size, _, buyers, repeat = outcome_graph(2)(*outcome_inputs(20))
    assert bool((buyers <= mean + 1e-5).all())
    assert bool((size > 0).all())
    assert bool(((repeat > 0) & (repeat < 1)).all())


def test_entering_by_a_sale_means_at_least_one_unit() -> None:
    embedding, ids, attributes, actions = outcome_inputs(5)
    actions[:, :, 4] = 1.0
    mean, _, quantiles, _, _ = outcome_graph(3)(embedding, ids, attributes, actions)
    assert bool((mean >= 1).all())
    assert bool((quantiles >= 1).all())


def test_a_price_left_out_is_the_product_s_own() -> None:
    graph = outcome_graph(4)
    embedding, ids, attributes, actions = outcome_inputs(2)
    actions[:, 0, 1], actions[:, 1] = 0.0, actions[:, 0]
    actions[:, 1, 1] = attributes[:, 0]
    outputs = graph(embedding, ids, attributes, actions)
    assert torch.allclose(outputs[0][:, 0], outputs[0][:, 1])


def test_candidates_do_not_see_each_other() -> None:
    graph = outcome_graph(5)
    embedding, ids, attributes, actions = outcome_inputs(7)
    together = graph(embedding, ids, attributes, actions)
    alone = graph(embedding, ids, attributes, actions[:, 3:4])
    for a, b in zip(together, alone, strict=True):
        assert torch.allclose(a[:, 3:4], b, atol=1e-5)


def test_ids_beyond_the_vocabulary_count_as_unknown() -> None:
    graph = outcome_graph(6)
    embedding, ids, attributes, actions = outcome_inputs(3)
    beyond, unknown = (
        graph(embedding, ids * 0 + 10**6, attributes, actions),
        graph(embedding, ids * 0, attributes, actions),
    )
    for a, b in zip(beyond, unknown, strict=True):
        assert torch.equal(a, b)


def test_loss_is_the_negative_binomial_up_to_the_counts_own_term() -> None:
    counts = torch.tensor([0.0, 1.0, 5.0, 40.0])
    log_mean, log_size = torch.tensor([-1.0, 0.0, 1.5, 3.0]), torch.tensor([0.3, -1.0, 1.0, 0.0])
    exact = -NegativeBinomial(total_count=log_size.exp(), logits=log_mean - log_size).log_prob(counts)
    assert torch.allclose(nb_loss(counts, log_mean, log_size) + torch.lgamma(counts + 1), exact, atol=1e-5)
