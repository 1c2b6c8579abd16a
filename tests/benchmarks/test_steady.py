"""A closed loop counts while all callers ask."""

import pytest
from steady import steady


def test_the_first_and_the_last_answer_of_a_caller_do_not_count() -> None:
    # two callers: a slow beginning, then 0.1 s an answer, and a fast end
    spans = [(0.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.3), (1.3, 1.31)]
    rate, latencies = steady([spans, spans])
    assert latencies.tolist() == pytest.approx([100.0] * 6)
    assert rate == pytest.approx(2 / 0.1)


def test_callers_need_not_have_the_same_number_of_answers() -> None:
    rate, latencies = steady([[(0.0, 0.5), (0.5, 1.0), (1.0, 1.5), (1.5, 2.0)], [(0.0, 0.4)], []])
    assert latencies.tolist() == pytest.approx([500.0, 500.0])
    assert rate == pytest.approx(2.0)


def test_few_answers_count_all() -> None:
    rate, latencies = steady([[(0.0, 0.5)], [(0.0, 1.0)]])
    assert latencies.tolist() == pytest.approx([500.0, 1000.0])
    assert rate == pytest.approx(2.0)
