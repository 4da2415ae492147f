"""A library's network in the place of our executors: our sampler, noise, labels and guidance, its code and its caching.

The trajectory is the plain path's (bench/sampling/plain.py). What the library computed is counted by hooks on the
innermost modules of its branches, in runs that are not timed.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from bench.engines import Engine, EngineCache
from bench.sampling import plain
from methods.method import Sampler
from methods.plan import Plan, from_mask, uncached
from models.denoiser import Denoiser
from models.errors import InputError


class LibraryExecutor:
    """Evaluations by a library's network, which is this executor's alone."""

    def __init__(self, model: Denoiser, engine: Engine, cache: EngineCache | None, evaluations: int) -> None:
        self.model, self.engine = model, engine
        self.plan = uncached(evaluations, model.num_branches)  # the most that it may compute
        self.network = engine.network(model)
        self.renew = None if cache is None else cache.apply(self.network, evaluations)
        self.k = 0

    def begin(self, timesteps: list[float], labels: Tensor) -> None:
        """The library's own reset."""
        if self.renew is not None:
            self.renew()

    def evaluate(self, k: int, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        self.k = k
        return self.engine.evaluate(self.network, x, t, y)

    def reset(self) -> None:
        """What a library keeps after a trajectory is dropped by its own reset."""


class LibraryTrajectory:
    """`trajectory(noise, labels, step_noise=None) -> samples`, as every prepared trajectory."""

    def __init__(
        self,
        model: Denoiser,
        sampler: Sampler,
        engine: Engine,
        cache: EngineCache | None,
        *,
        guidance_scale: float,
        guidance_channels: int | None,
    ) -> None:
        evaluations = len(sampler.evaluations(model.noise_schedule))
        self.executor = LibraryExecutor(model, engine, cache, evaluations)
        self.sampler, self.guidance = sampler, (guidance_scale, guidance_channels)
        self.computed: np.ndarray | None = None  # of the last counted run

    def __call__(self, noise: Tensor, labels: Tensor, step_noise: Tensor | None = None) -> Tensor:
        return plain.run(self.executor, self.sampler, noise, labels, *self.guidance, step_noise)

    def counted(self, noise: Tensor, labels: Tensor) -> tuple[Tensor, np.ndarray]:
        """Samples, and which branches were computed, bool [evaluations, branches]; no hook is left behind.

        Raises InputError where the engine names more or fewer branches than the denoiser has.
        """
        executor = self.executor
        self.computed = computed = np.zeros((len(executor.plan), executor.plan.branches), dtype=bool)

        def count(branch: int) -> torch.utils.hooks.RemovableHandle:
            def seen(module: nn.Module, inputs: object) -> None:
                computed[executor.k, branch] = True

            return modules[branch].register_forward_pre_hook(seen)

        modules = executor.engine.branches(executor.network)
        if len(modules) != executor.plan.branches:
            raise InputError(
                f"engine '{executor.engine.name}': branches() gives {len(modules)} modules, "
                f"the model has {executor.plan.branches} branches"
            )
        handles = [count(branch) for branch in range(len(modules))]
        try:
            return self(noise, labels), computed
        finally:
            for handle in handles:
                handle.remove()

    def taken(self) -> Plan:
        """The plan that the last counted trajectory took. Raises RuntimeError where none was."""
        if self.computed is None:
            raise RuntimeError("what a library computes is known of counted trajectories alone")
        return from_mask(self.computed)

    def trace(self) -> list[np.ndarray]:
        """bool [branches] an evaluation of the last counted trajectory."""
        return list(self.taken().computed)
