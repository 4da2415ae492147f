"""The largest batch that a cell's method can run, and its times there."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.measure.memory import available_bytes, is_guided, is_out_of_memory, value_bytes
from bench.measure.task import LargestOrder, Reporter
from bench.measure.timing.affinity import pinned
from bench.measure.timing.batch_search import TooLarge, largest_batch, release
from bench.measure.timing.cell_rounds import cell_rounds, roles
from bench.measure.timing.cell_timing import Measured
from bench.measure.timing.lineup import Lineup
from bench.measure.timing.machine_rates import all_rates, copies, products
from bench.measure.timing.rounds import Budget, Rounds
from bench.measure.timing.session import MIN_ROUNDS
from bench.measure.timing.stopwatch import quiet_interpreter, stopwatch
from bench.sampling.executor import Executor

MEMORY_SHARE = 0.8  # of what is available on a CPU, for the largest batch
TOKENS_ALIVE = 16  # tensors of tokens that a block needs at once, hidden MLP values and q, k, v included


class LargestBatch:
    """Of the one setting in `lineup`."""

    def __init__(self, order: LargestOrder, lineup: Lineup) -> None:
        self.task, self.work, self.lineup = order.task, order.work, lineup
        self.slug, self.rules = order.task.cell.slug, order.task.cell.protocol.timing
        self.watch = stopwatch(order.task.settings.device)

    def find(self, reporter: Reporter) -> dict[str, Any]:
        """Doubling, then bisection; a batch that does not fit is an answer. Raises what the method raises."""
        reporter.phase("searching the largest batch", 0.0)
        with pinned(self.task.settings.threads, self.task.settings.device):
            largest = largest_batch(self.run_once)
            if not largest.batch:
                return {"batch": 0, "reason": f"not even one image fits: {largest.limit}"}
            reporter.phase(f"timing batch {largest.batch}", 0.5)
            try:
                return self.time(largest.batch) | {"limit": largest.limit}
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                return {"batch": largest.batch, "reason": "out of memory", "limit": largest.limit}

    def run_once(self, batch: int) -> None:
        """Raises TooLarge, or an out-of-memory error, where a batch does not fit."""
        device = self.task.settings.device
        if device == "cpu" and self.predicted_bytes(batch) > MEMORY_SHARE * (available_bytes() or 0):
            raise TooLarge("memory")
        if self.watch.time(self.lineup.trajectory(self.slug, batch)).wall_ns > self.rules.seconds * 1e9:
            raise TooLarge("seconds")

    def time(self, batch: int) -> dict[str, Any]:
        """The method alone, twice a round."""
        release()
        rates = {**products(self.task, self.watch), **copies(self.task, self.watch)}
        rates |= {"gemm_before": rates["gemm_macs_per_s"], "gemm_after": rates["gemm_macs_per_s"]}
        calls, max_rounds = {self.slug: self.lineup.trajectory(self.slug, batch)}, self.rules.rounds
        rounds = Rounds(calls, frozenset(calls), self.watch)
        budget = Budget(min(2 * MIN_ROUNDS, max_rounds), max_rounds, self.rules.seconds)
        with quiet_interpreter(self.task.settings.threads):
            rounds.warm_up(self.rules.seconds)
            seen = list(rounds.run(budget, np.random.default_rng(0)))
        own = cell_rounds(seen, roles(self.slug, None, None, frozenset(calls)))
        return Measured(batch, own, all_rates([rates])).timing(self.task, self.lineup, self.work)

    def predicted_bytes(self, batch: int) -> int:
        """What a trajectory adds to the weights: the plan's cache and one block's activations."""
        model, guided = self.lineup.model, is_guided(self.task)
        tokens, width = model.token_shape()
        size = value_bytes(model)
        alive = TOKENS_ALIVE * batch * (2 if guided else 1) * tokens * width * size
        plan = self.lineup.contenders[self.slug].plan
        return alive + Executor(model, plan).cache_bytes(batch, guided, size)
