import numpy as np
import pytest
import torch
from scipy.stats import nbinom

from onshelf_exporter.models.launch_outcome import LEVELS
from onshelf_exporter.models.quantiles import QuantileTable, nb_quantile, randomised_pit
from onshelf_exporter.training.calibration import calibrated_levels, coverage

LEVEL_ARRAY = np.array(LEVELS)


@pytest.fixture(scope="module")
def table() -> QuantileTable:
    return QuantileTable(LEVEL_ARRAY)


def test_ceiling_is_the_integer_quantile_of_scipy() -> None:
    for mean, size in [(0.3, 0.5), (2.0, 1.0), (9.0, 0.2), (40.0, 5.0)]:
        expected = nbinom.ppf(LEVEL_ARRAY, size, size / (size + mean))
        assert np.array_equal(np.ceil(nb_quantile(LEVEL_ARRAY, mean, size) - 1e-9), expected)


def test_table_is_close_to_the_exact_quantiles(table: QuantileTable) -> None:
    generator = np.random.default_rng(3)
    log_mean, log_size = generator.uniform(-3, 5, 300), generator.uniform(-2, 2, 300)
    got = table(torch.from_numpy(log_mean).float(), torch.from_numpy(log_size).float()).numpy()
    exact = np.stack([nb_quantile(LEVEL_ARRAY, np.exp(m), np.exp(s)) for m, s in zip(log_mean, log_size, strict=True)])
    error = np.abs(got - exact) / (1 + exact)
    assert error.mean() < 0.01
    assert np.quantile(error, 0.99) < 0.15  # near 0 the exact quantile has steps that the table rounds off


def test_quantiles_rise_with_level_and_mean(table: QuantileTable) -> None:
    log_mean = torch.linspace(-7, 9.5, 200)
    for log_size in (-4.0, -1.0, 0.3, 5.0):
        q = table(log_mean, torch.full_like(log_mean, log_size))
        assert bool((q.diff(dim=1) >= 0).all())
        assert bool((q.diff(dim=0) >= -1e-4).all())
        assert bool((q >= 0).all())


def test_pit_is_uniform_where_the_forecast_is_right() -> None:
    generator = np.random.default_rng(5)
    mean = np.exp(generator.normal(0.5, 1, 4000))
    size = np.full(4000, 0.7)
    counts = generator.negative_binomial(size, size / (size + mean)).astype(float)
    pit = randomised_pit(counts, mean, size, seed=1)
    assert np.allclose(np.quantile(pit, LEVEL_ARRAY), LEVEL_ARRAY, atol=0.03)
    assert abs(coverage(counts, mean, size, 0.1, 0.9, seed=1) - 0.8) < 0.03
    assert np.allclose(calibrated_levels(counts, mean, size, seed=1), LEVEL_ARRAY, atol=0.03)


def test_calibration_widens_what_is_too_narrow() -> None:
    generator = np.random.default_rng(6)
    mean, true_size, claimed = np.full(2000, 6.0), np.full(2000, 0.5), np.full(2000, 20.0)
    counts = generator.negative_binomial(true_size, true_size / (true_size + mean)).astype(float)
    levels = calibrated_levels(counts, mean, claimed, seed=2)
    assert levels[0] < 0.05
    assert levels[-1] > 0.95
    assert np.all(np.diff(levels) > 0)


def test_without_launches_levels_stay() -> None:
    none = np.zeros(0)
    assert np.array_equal(calibrated_levels(none, none, none, seed=1), LEVEL_ARRAY)
