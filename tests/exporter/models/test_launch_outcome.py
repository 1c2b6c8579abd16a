import numpy as np
import pytest
import torch
from model_builders import outcome_graph, outcome_inputs
from torch.distributions import NegativeBinomial

from onshelf_exporter.models.launch_outcome import nb_loss, running_maximum
from onshelf_exporter.training.calibration import distribution_at
from onshelf_release.signatures import QUANTILE_LEVELS, UNITS_SUPPORT

OUTPUTS = {"mean": 0, "quantiles": 2, "buyers": 3, "buyers_median": 6}


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
    assert bool((outputs[5].diff(dim=1) * direction <= 1e-6).all())
    assert bool((outputs[0].diff(dim=1) * direction > 0).any())


def test_quantiles_rise_with_level_and_start_at_nothing() -> None:
    quantiles = outcome_graph(1)(*outcome_inputs(20))[2]
    assert quantiles.shape == (3, 20, 2, 11)
    assert bool((quantiles.diff(dim=3) >= 0).all())
    assert bool((quantiles >= 0).all())


@pytest.mark.parametrize("seed", range(3))
def test_distributions_rise_with_the_count_and_fall_with_the_horizon(seed: int) -> None:
    outputs = outcome_graph(seed)(*outcome_inputs(20))
    mean, quantiles, units = outputs[0], outputs[2], outputs[5]
    assert units.shape == (3, 20, 2, UNITS_SUPPORT)
    assert bool((units.diff(dim=3) >= 0).all())
    assert bool(((units >= 0) & (units <= 1)).all())
    assert bool((units[:, :, 0] >= units[:, :, 1]).all())
    assert bool((mean[..., 0] <= mean[..., 1] + 1e-4).all())
    assert bool((quantiles[:, :, 0] <= quantiles[:, :, 1] + 1e-4).all())


@pytest.mark.parametrize("seed", range(3))
def test_quantiles_are_the_inverse_of_the_distribution(seed: int) -> None:
    graph = outcome_graph(seed)
    outputs = graph(*outcome_inputs(200))
    quantiles, units = (
        outputs[2].double().numpy().reshape(-1, 11),
        outputs[5].double().numpy().reshape(-1, UNITS_SUPPORT),
    )
    support = graph.outcome.support.double().numpy()
    for place, level in enumerate(QUANTILE_LEVELS):
        found = quantiles[:, place]
        inside = (found > 0) & (found < support[-1]) & (units[:, -1] > level)
        assert inside.sum() > 5, level
        assert np.allclose(distribution_at(units, support, found)[inside], level, atol=2e-4)
        assert np.all(distribution_at(units, support, np.zeros(len(found)))[found == 0] >= level - 2e-4)


def test_the_mean_is_that_of_the_distribution() -> None:
    graph = outcome_graph(2)
    outputs = graph(*outcome_inputs(20))
    mass = np.diff(outputs[5].double().numpy(), axis=-1, prepend=0.0, append=1.0)
    value = graph.outcome.get_buffer("values").double().numpy()
    assert np.allclose(outputs[0].numpy(), mass @ value, rtol=1e-4)
    variance = mass @ value**2 - (mass @ value) ** 2
    size = (mass @ value) ** 2 / np.maximum(variance - mass @ value, 1e-6)
    assert np.allclose(outputs[1].numpy(), np.clip(size, 0.05, 1000), rtol=1e-2)


@pytest.mark.parametrize("seed", range(3))
def test_buyers_are_at_most_units_and_rates_are_rates(seed: int) -> None:
    mean, size, quantiles, buyers, repeat, _, median = outcome_graph(seed)(*outcome_inputs(20))
    assert bool((buyers <= mean + 1e-5).all())
    assert bool((median <= quantiles[..., QUANTILE_LEVELS.index(0.5)]).all())
    assert bool((median >= 0).all())
    assert bool((median > 0).any())
    assert bool((size > 0).all())
    assert bool(((repeat >= 0) & (repeat <= 1)).all())


def test_entering_by_a_sale_means_at_least_one_unit() -> None:
    embedding, ids, attributes, actions = outcome_inputs(5)
    actions[:, :, 4] = 1.0
    mean, _, quantiles, _, _, units, median = outcome_graph(3)(embedding, ids, attributes, actions)
    assert not units[..., 0].any()
    assert bool((mean >= 1).all())
    assert bool((quantiles > 0).all())
    assert bool((median > 0).all())
    by_plan = outcome_graph(3)(embedding, ids, attributes, actions * (torch.arange(37) != 4))
    assert bool((by_plan[5][..., 0] > 0).all())


def test_the_action_is_all_that_moves_a_forecast_between_candidates() -> None:
    embedding, ids, attributes, actions = outcome_inputs(2)
    outputs = outcome_graph(4)(embedding, ids, attributes, actions[:, :1].repeat(1, 2, 1))
    for value in outputs:
        assert torch.allclose(value[:, 0], value[:, 1], rtol=1e-4)


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


def test_running_maximum_is_that_of_numpy() -> None:
    value = torch.randn(5, 2, 24)
    assert np.array_equal(running_maximum(value).numpy(), np.maximum.accumulate(value.numpy(), axis=-1))


def test_loss_is_the_negative_binomial_up_to_the_counts_own_term() -> None:
    counts = torch.tensor([0.0, 1.0, 5.0, 40.0])
    log_mean, log_size = torch.tensor([-1.0, 0.0, 1.5, 3.0]), torch.tensor([0.3, -1.0, 1.0, 0.0])
    exact = -NegativeBinomial(total_count=log_size.exp(), logits=log_mean - log_size).log_prob(counts)
    assert torch.allclose(nb_loss(counts, log_mean, log_size) + torch.lgamma(counts + 1), exact, atol=1e-5)
