"""The checker's own bootstrap gives the digits that a run stored."""

import numpy as np
import pytest

from bench.judge.validation import resampling
from bench.statistics import medians, paired_times
from bench.statistics.paired_times import Spread


@pytest.mark.parametrize("count", [1, 2, 3, 8, 21, 60, 255, 256])
def test_intervals_of_one_process_are_those_of_the_run(count):
    rng = np.random.default_rng(count)
    above, below = rng.lognormal(sigma=0.1, size=(2, count))
    one = [0] * count
    for values in (above, np.round(above, 1)):  # ties too
        assert resampling.pooled_median(values, one) == medians.median_interval(values)
    assert resampling.paired_ratio(above, below, one, None) == paired_times.paired_ratio(above, below, one, None)


@pytest.mark.parametrize("lengths", [(6, 6), (7, 6), (3, 5, 4), (1, 1), (90, 90)])
def test_intervals_of_several_processes_too(lengths):
    count = sum(lengths)
    above, below = np.random.default_rng(count).lognormal(sigma=0.1, size=(2, count))
    processes = [p for p, length in enumerate(lengths) for _ in range(length)]
    for order in (np.arange(count), np.random.default_rng(1).permutation(count)):
        mixed = [processes[i] for i in order]
        assert resampling.pooled_median(above, mixed) == paired_times.pooled_median(above, mixed)
    arguments = (above, below, processes, Spread(1e-4, 8))
    assert resampling.paired_ratio(*arguments) == paired_times.paired_ratio(*arguments)
