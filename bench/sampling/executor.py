"""Runs any plan on any denoiser.

A plan is first compiled to one short list of operations an evaluation (bench/sampling/steps.py); sampling then follows
the lists, and nothing is decided from data unless a policy decides it (bench/sampling/script.py). Only tensors that a
later evaluation reads are kept, and each is freed at its last reading. The denoiser itself is never touched, so nothing
survives a trajectory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from bench.sampling.outputs import add_input, both_halves, first_half, whole
from bench.sampling.script import make_script
from bench.sampling.steps import Step, escaping_skips
from methods.forecast import weights
from methods.plan import BRANCH, CHANGE, GUIDANCE, OFFSET, STATE, WHOLE, Plan, Span
from methods.policy import pick
from models.denoiser import Denoiser


@dataclass
class Kept:
    """A kept tensor and its finite differences in evaluation index, for spans that extrapolate."""

    evaluation: int  # that computed the newest tensor
    tensors: list[Any]
    skips: dict[int, Tensor] = field(default_factory=dict)

    @classmethod
    def after(cls, before: Kept | None, k: int, new: Any, order: int, skips: dict[int, Tensor]) -> Kept:
        """What is kept once evaluation k has produced `new`: it and its differences up to `order`."""
        tensors = [new]
        if before is not None:
            for old in before.tensors[:order]:
                tensors.append((tensors[-1] - old) / (k - before.evaluation))
        return cls(k, tensors, skips)

    def value(self, k: int, sigma: float = 0.0) -> Any:
        """The forecast at evaluation k: Σ weight_n * difference_n (methods/forecast.py)."""
        total = self.tensors[0]
        factors = weights(len(self.tensors), k - self.evaluation, sigma)
        for weight, difference in zip(factors[1:], self.tensors[1:], strict=True):
            total = total + weight * difference
        return total


class Executor:
    """One trajectory after another of one plan on one denoiser; each begins with `begin` and ends with `reset`."""

    def __init__(self, model: Denoiser, plan: Plan) -> None:
        self.model, self.plan = model, plan
        self.script = make_script(model, plan)
        self.sources = set(model.skips.values())
        self.reset()

    def reset(self) -> None:
        """Forget everything kept: a cache lives inside one trajectory."""
        self.script.end()
        self.kept: dict[Span, Kept] = {}
        self.conditions: list[Any] = [None] * len(self.plan)
        self.output: Tensor | None = None
        self.skips: dict[int, Tensor] = {}
        self.marks: dict[Span, Tensor] = {}
        self.k = 0
        self.x = self.tokens = self.c = self.t = self.y = None

    def begin(self, timesteps: list[float], labels: Tensor) -> None:
        """Prepare what does not depend on x: the denoiser's conditioning at every evaluation, for `labels` [B]."""
        self.reset()
        self.script.begin()
        self.conditions = self.model.conditions(timesteps, labels)

    def evaluate(self, k: int, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """Evaluation k: model output for x [B,C,H,W], t [B], y [B], reusing what the plan or its policy says."""
        self.k, self.skips, self.marks = k, {}, {}
        self.x, self.tokens, self.t, self.y = x, x, t, y
        for piece in self.script.pieces(k, self):
            for step in piece:
                self.tokens = getattr(self, f"_{step.do}")(k, step, self.tokens)
        self.output = self.tokens
        return self.output

    def _embed(self, k: int, step: Step, x: Tensor) -> Tensor:
        h, self.c = self.model.embed(x, self.t, self.y, self.conditions[k])
        return h

    def _embed_half(self, k: int, step: Step, x: Tensor) -> Tensor:
        """Go on with the conditional half alone, whose conditioning is worked out here."""
        h, self.c = self.model.embed(first_half(x), first_half(self.t), first_half(self.y))
        return h

    def _unembed(self, k: int, step: Step, h: Tensor) -> Tensor:
        return self.model.unembed(h, self.c)

    def _restore(self, k: int, step: Step, x: Tensor) -> Tensor:
        kept = self.kept.pop(step.slot) if step.frees else self.kept[step.slot]
        value = kept.value(k, step.slot.sigma)
        if step.slot.keep == GUIDANCE:
            return both_halves(x, value)
        return add_input(value, self.x) if step.slot.keep == CHANGE else value

    def _enter(self, k: int, step: Step, h: Tensor) -> Tensor:
        block = step.slot.start // 2
        source = self.model.skips.get(block)
        return self.model.enter_block(block, h, None if source is None else self.skips.pop(source))

    def _compute(self, k: int, step: Step, h: Tensor) -> Tensor:
        slot = step.slot
        out = self.model.branch(slot.start, h, self.c)
        if step.keeps:
            self._hold(k, slot, out, {})
        return self._push_skip(slot, self.model.residual(slot.start, h, out, self.c))

    def _mark(self, k: int, step: Step, h: Tensor) -> Tensor:
        self.marks[step.slot] = h
        return h

    def _keep(self, k: int, step: Step, h: Tensor) -> Tensor:
        slot = step.slot
        if slot.keep in WHOLE:
            self._hold(k, slot, whole(slot.keep, h, self.x), {})
            return h
        escaping = {s: self.skips[s] for s in escaping_skips(self.model, slot)}
        self._hold(k, slot, h - self.marks.pop(slot) if slot.keep == OFFSET else h, escaping)
        return h

    def _hold(self, k: int, slot: Span, new: Tensor, skips: dict[int, Tensor]) -> None:
        self.kept[slot] = Kept.after(self.kept.get(slot), k, new, slot.order, skips)

    def _see(self, k: int, step: Step, h: Tensor) -> Tensor:
        self.script.decisions.decide(k, step.slot.start, self)
        return h

    def _refresh(self, k: int, step: Step, h: Tensor) -> Tensor:
        """Compute the part of a branch that its policy picks, put it in place of what was kept, reuse the whole."""
        kept, decisions, index = self.kept[step.slot], self.script.decisions, step.slot.start
        fresh = decisions.fresh(k, index, self)
        out = self.model.layer(index)(pick(self.branch_input(index), fresh))
        kept.tensors[0] = decisions.merge(kept.tensors[0], fresh, out)
        return self._reuse(k, step, h)

    def _reuse(self, k: int, step: Step, h: Tensor) -> Tensor:
        slot, skips = step.slot, self.skips
        kept = self.kept.pop(slot) if step.frees else self.kept[slot]
        value = kept.value(k, slot.sigma)
        if slot.keep == BRANCH:
            return self._push_skip(slot, self.model.residual(slot.start, h, value, self.c))
        for consumer, source in self.model.skips.items():  # skips into the span are left unread
            if slot.start <= 2 * consumer < slot.stop:
                skips.pop(source, None)
        skips.update(kept.skips)
        return self._push_skip(slot, value if slot.keep == STATE else h + value)

    def _push_skip(self, slot: Span, h: Tensor) -> Tensor:
        block, rest = divmod(slot.stop, 2)
        if rest == 0 and block - 1 in self.sources:
            self.skips[block - 1] = h
        return h

    # What a policy sees (methods.policy.Look), besides x, output and tokens.
    def branch_input(self, index: int) -> Tensor:
        return self.model.branch_input(index, self.tokens, self.c)

    def output_of(self, index: int) -> Tensor:
        self.script.looked.append((self.k, index))
        return self.model.branch(index, self.tokens, self.c)

    def branch(self, index: int, tokens: Tensor) -> Tensor:
        self.script.looked.append((self.k, index))
        return self.model.residual(index, tokens, self.model.branch(index, tokens, self.c), self.c)

    def attention(self, index: int) -> Tensor:
        q, k, _ = self.model.layer(index).project(self.branch_input(index))
        return attention_map(q, k)

    def values(self, index: int) -> Tensor:
        return self.model.layer(index).project(self.branch_input(index))[2]

    def forget(self, slot: Span) -> None:
        self.kept.pop(slot, None)

    x: Any
    tokens: Any
    c: Any
    t: Any
    y: Any

    def cache_bytes(self, batch: int, guided: bool = True, bytes_per_value: int = 4) -> int:
        """Most bytes kept at once between evaluations, for `batch` images, predicted from the plan."""
        alive = [set(self.plan.policy.slots)] if self.script.decides and self.plan.policy else self._alive()
        peak = max((sum(self._values(s) for s in slots) for slots in alive), default=0)
        return peak * batch * (2 if guided else 1) * bytes_per_value

    def decision_bytes(self, batch: int, guided: bool = True, bytes_per_value: int = 4) -> int:
        """Most bytes that a policy has between evaluations: what its decisions remember, and the last output."""
        policy = self.plan.policy
        if policy is None:
            return 0
        C, H, W = self.model.latent_shape
        output = getattr(self.model, "out_channels", C) * H * W * max(4, bytes_per_value)  # as the sampler's state
        return batch * (2 if guided else 1) * (policy.remembered_bytes(self.model, bytes_per_value) + output)

    def _values(self, slot: Span) -> int:
        """Numbers kept for one image."""
        if slot.keep in WHOLE:
            C, H, W = self.model.latent_shape
            values = (slot.order + 1) * getattr(self.model, "out_channels", C) * H * W
            return values // 2 if slot.keep == GUIDANCE else values  # one half has none
        tokens, width = self.model.token_shape()
        skips = len(escaping_skips(self.model, slot)) if slot.keep != BRANCH else 0
        return (slot.order + 1 + skips) * tokens * width

    def _alive(self) -> list[set[Span]]:
        """The slots that hold a tensor after each evaluation."""
        alive: set[Span] = set()
        history = []
        for row in self.script.rows:
            alive |= {s.slot for s in row if s.do == "keep" or s.keeps}
            alive -= {s.slot for s in row if s.frees}
            history.append(set(alive))
        return history


def attention_map(q: Tensor, k: Tensor) -> Tensor:
    """softmax(q k^T / √d) [N,H,T,T] of queries and keys [N,H,T,d]."""
    return (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1)
