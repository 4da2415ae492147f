"""The training loop: EMA, mixed precision, several processes, progress with an ETA, atomic checkpoints, resume."""

from __future__ import annotations

import copy
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.host.lock import alone
from bench.train.checkpoint import read_state, write_state
from bench.train.distributed import World
from bench.train.interrupt import deferred_interrupt
from bench.train.precision import autocast, gradient_scaler
from bench.train.recipe import Recipe
from bench.train.streams import Streams

Loss = Callable[[nn.Module, torch.Generator], Tensor]
REPORT_EVERY = 100  # steps
SAVING_SHARE = 20  # a checkpoint follows the last one after at least this many times what saving that one took


@dataclass
class Progress:
    """How far a run is: saved in checkpoints, and drawn as the loss curve."""

    step: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)  # (step, mean loss since the last entry)
    unnoted: list[float] = field(default_factory=list)  # losses of the steps since the last entry, as of a checkpoint


class Loop(ABC):
    """Takes the recipe's steps; generators are the only source of randomness, so a run resumes exactly.

    A trainer says what a step is by `move`; `Trainer` takes it from a loss.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, checkpoint: Path, world: World | None = None) -> None:
        self.world = world or World()
        self.model = model.train().to(self.world.device)
        self.recipe, self.checkpoint = recipe, checkpoint
        self.ema = copy.deepcopy(model).eval().requires_grad_(False)
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.trained, recipe.learning_rate, betas=tuple(recipe.betas), weight_decay=recipe.weight_decay
        )
        self.scaler = gradient_scaler(self.world.device, recipe.dtype)
        self.streams = Streams(recipe.seed, recipe.parts, self.world)
        torch.manual_seed(recipe.seed)  # dropout draws from the global generator
        self.progress = Progress()
        self.losses: list[Tensor] = []  # of the steps since the last entry of the curve
        if checkpoint.exists():
            self._resume()

    def run(self, save_every_s: float = 60.0) -> nn.Module:
        """Train to the end of the recipe and return the EMA weights' model, in eval mode.

        Ctrl-C saves the checkpoint before KeyboardInterrupt is raised. Raises OutputError where it cannot be saved,
        InputError where another training is at it.
        """
        with self._alone(), deferred_interrupt() as interrupted:
            self._steps(save_every_s, interrupted)
        return self.ema

    def _alone(self) -> AbstractContextManager[None]:
        """Nobody else writes this checkpoint meanwhile."""
        busy = f"{self.checkpoint}: another training is writing it; wait for it or choose --out"
        return alone(self.checkpoint, busy) if self.world.leads else nullcontext()

    @abstractmethod
    def move(self) -> Tensor:
        """Move the trained parameters once, at the optimiser's rate; returns the step's loss [], on the device."""

    def _steps(self, save_every_s: float, interrupted: Callable[[], bool]) -> None:
        started, earlier = time.monotonic(), self.progress.seconds
        due, stop = started + save_every_s, False
        while self.progress.step < self.recipe.steps and not stop:
            self.losses.append(self._step())
            if len(self.losses) == REPORT_EVERY or self.progress.step == self.recipe.steps:
                self._note()
            self.progress.seconds = earlier + time.monotonic() - started
            stop, save = self.world.any(interrupted(), time.monotonic() > due)
            if save and not stop:
                before = time.monotonic()
                self.save()
                due = time.monotonic() + max(save_every_s, SAVING_SHARE * (time.monotonic() - before))
        self.save()
        if stop:
            raise KeyboardInterrupt

    def _step(self) -> Tensor:
        """One step of the recipe; returns its loss [], on the device."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.progress.step)
        loss = self.move()
        self.progress.step += 1
        self._update_ema()
        return loss

    @torch.no_grad()
    def _update_ema(self) -> None:
        step = self.progress.step
        decay = min(self.recipe.ema_decay, (1 + step) / (10 + step))  # short memory at first
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)
        for kept, new in zip(self.ema.buffers(), self.model.buffers(), strict=True):
            kept.copy_(new)

    def _note(self) -> None:
        """Add the mean of the losses, over the processes too, to the curve, and report."""
        mean = torch.stack([loss.double() for loss in self.losses]).mean().cpu()
        self.world.average([mean])
        self.losses = []
        self.progress.losses.append((self.progress.step, mean.item()))
        if self.world.leads:
            self._report()

    def _report(self) -> None:
        p, total = self.progress, self.recipe.steps
        seconds = max(p.seconds, 1e-9)
        eta = seconds / p.step * (total - p.step)
        rate = p.step * self.recipe.batch / seconds
        line = f"step {p.step}/{total}  loss {p.losses[-1][1]:.4f}  {rate:.0f} images/s  ETA {eta / 60:.1f} min"
        print(line, file=sys.stderr, flush=True)

    def save(self) -> None:
        """Write the checkpoint atomically, from the process that leads. Raises OutputError."""
        streams, self.progress.unnoted = self.streams.state(), self._unnoted()
        if self.world.leads:
            write_state(self.checkpoint, self._state() | {"streams": streams})

    def _unnoted(self) -> list[float]:
        """The losses since the last entry of the curve, each the mean over the processes."""
        losses = torch.stack([loss.double() for loss in self.losses]).cpu() if self.losses else torch.empty(0)
        self.world.average([losses])
        return losses.tolist()

    def _state(self) -> dict[str, Any]:
        return {
            "recipe": vars(self.recipe),
            "progress": vars(self.progress),
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "global_generator": torch.get_rng_state(),
        }

    def _resume(self) -> None:
        state = read_state(self.checkpoint, self.recipe)
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.streams.restore(state["streams"])
        torch.set_rng_state(state["global_generator"])
        self.progress = Progress(**state["progress"])
        self.losses = [*torch.tensor(self.progress.unnoted, dtype=torch.float64, device=self.world.device)]
        if self.world.leads:
            print(f"resumed {self.checkpoint} at step {self.progress.step}", file=sys.stderr)


class Trainer(Loop):
    """Minimises `loss(model, generator)`.

    `replica`, where given, is what losses evaluate in place of `model`: it averages its gradients over the processes
    by itself (World.replicate). Without one they are averaged after the backward pass.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        recipe: Recipe,
        checkpoint: Path,
        world: World | None = None,
        replica: nn.Module | None = None,
    ) -> None:
        super().__init__(model, recipe, checkpoint, world)
        self.loss = loss
        self.replica = self.model if replica is None else replica
        self.averages = replica is None

    def begin_step(self) -> None:
        """What a loss decides for all parts of a step's batch together, from `streams.common`."""

    def move(self) -> Tensor:
        """One step of the optimiser, along the gradient of the batch's mean loss."""
        self.optimizer.zero_grad(set_to_none=True)
        self.begin_step()
        loss = self._gradients()
        if self.averages:
            self.world.average(p.grad for p in self.trained if p.grad is not None)
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.trained, self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss

    def _gradients(self) -> Tensor:
        """Accumulate the gradient of this process's parts; returns their mean loss []."""
        own, total = self.streams.own, torch.zeros((), device=self.world.device)
        for generator in own:
            waits = generator is not own[-1] and isinstance(self.replica, nn.parallel.DistributedDataParallel)
            with self.replica.no_sync() if waits else nullcontext():  # averaged once, with the last part
                with autocast(self.world.device, self.recipe.dtype):
                    loss = self.loss(self.replica, generator) / len(own)
                self.scaler.scale(loss).backward()
            total += loss.detach()
        return total
