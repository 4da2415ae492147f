"""The training loop: EMA, cosine schedule, progress with an ETA, atomic checkpoints, resume."""

from __future__ import annotations

import copy
import io
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from models.errors import InputError
from models.training.interrupt import deferred_interrupt

Loss = Callable[[nn.Module, torch.Generator], Tensor]


@dataclass
class Recipe:
    """What a training run is; everything in it goes to the model card."""

    steps: int
    batch: int = 128
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.0
    ema_decay: float = 0.9995
    clip_norm: float = 1.0
    seed: int = 0


@dataclass
class Progress:
    """How far a run is: saved in checkpoints, and drawn as the loss curve."""

    step: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)  # (step, mean loss since the last entry)


class Trainer:
    """Minimises `loss(model, generator)`; the generator is the only source of randomness, so a run resumes exactly."""

    def __init__(self, model: nn.Module, loss: Loss, recipe: Recipe, checkpoint: Path) -> None:
        self.model, self.loss, self.recipe, self.checkpoint = model.train(), loss, recipe, checkpoint
        self.ema = copy.deepcopy(model).eval().requires_grad_(False)
        trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, recipe.learning_rate, weight_decay=recipe.weight_decay)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        torch.manual_seed(recipe.seed)  # dropout draws from the global generator
        self.progress = Progress()
        if checkpoint.exists():
            self._resume()

    def run(self, save_every_s: float = 60.0) -> nn.Module:
        """Train to the end of the recipe and return the EMA weights' model, in eval mode.

        Ctrl-C saves the checkpoint before KeyboardInterrupt is raised. Raises OutputError where it cannot be saved.
        """
        with deferred_interrupt() as interrupted:
            self._steps(save_every_s, interrupted)
        return self.ema

    def _steps(self, save_every_s: float, interrupted: Callable[[], bool]) -> None:
        last_save = started = time.monotonic()
        earlier, losses = self.progress.seconds, []
        while self.progress.step < self.recipe.steps and not interrupted():
            losses.append(self._step())
            self.progress.seconds = earlier + time.monotonic() - started
            if len(losses) == 100 or self.progress.step == self.recipe.steps:
                self.progress.losses.append((self.progress.step, sum(losses) / len(losses)))
                losses.clear()
                self._report()
            if time.monotonic() - last_save > save_every_s:
                self.save()
                last_save = time.monotonic()
        self.save()
        if interrupted():
            raise KeyboardInterrupt

    def _step(self) -> float:
        recipe, step = self.recipe, self.progress.step
        ramp = min(1.0, (step + 1) / recipe.warmup)
        decay = 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * ramp * max(decay, 0.01)
        loss = self.loss(self.model, self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
        self.optimizer.step()
        self.progress.step += 1
        self._update_ema()
        return loss.item()

    @torch.no_grad()
    def _update_ema(self) -> None:
        step = self.progress.step
        decay = min(self.recipe.ema_decay, (1 + step) / (10 + step))  # short memory at first
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)
        for kept, new in zip(self.ema.buffers(), self.model.buffers(), strict=True):
            kept.copy_(new)

    def _report(self) -> None:
        p, total = self.progress, self.recipe.steps
        eta = p.seconds / p.step * (total - p.step)
        rate = p.step * self.recipe.batch / p.seconds
        line = f"step {p.step}/{total}  loss {p.losses[-1][1]:.4f}  {rate:.0f} images/s  ETA {eta / 60:.1f} min"
        print(line, file=sys.stderr, flush=True)

    def save(self) -> None:
        """Write the checkpoint atomically. Raises OutputError."""
        from bench.files import write_bytes

        content = io.BytesIO()  # on a full disk torch.save to a path raises whatever its archive writer likes
        torch.save(
            {
                "recipe": vars(self.recipe),
                "progress": vars(self.progress),
                "model": self.model.state_dict(),
                "ema": self.ema.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
                "global_generator": torch.get_rng_state(),
            },
            content,
        )
        write_bytes(self.checkpoint, content.getvalue())

    def _resume(self) -> None:
        try:
            state = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
        except Exception as error:
            raise InputError(
                f"{self.checkpoint}: not a checkpoint ({type(error).__name__}); delete it to restart"
            ) from error
        if state.get("recipe") != vars(self.recipe):
            raise InputError(f"{self.checkpoint}: belongs to another recipe; delete it to start again")
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["global_generator"])
        self.progress = Progress(**state["progress"])
        print(f"resumed {self.checkpoint} at step {self.progress.step}", file=sys.stderr)
