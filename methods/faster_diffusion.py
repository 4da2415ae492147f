"""Faster Diffusion: keep the encoder's features, recompute the decoder at every evaluation (arXiv 2312.09608)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import BRANCH, STATE, Plan, Span
from methods.refresh import UNSHIFTED, interval_parameter, pattern_parameter, refreshes
from models.errors import InputError

if TYPE_CHECKING:
    from models.denoiser import Denoiser

KEY_STEPS = (0, 1, 2, 3, 5, 10, 15, 25, 35)  # the paper's, of 50
FEATURES, BRANCHES = "features", "branches"


class FasterDiffusion(CacheMethod):
    """Between refreshes the encoder is not run: in- and mid-blocks of U-ViT, the first half of DiT's blocks.

    `keep = "features"` is the paper's: the decoder gets the kept tokens and long skips, so x_t no longer reaches the
    output. On a U-Net and on DiT the decoder still knows the timestep; on U-ViT time is a token of the encoder, so the
    output is the kept evaluation's. `keep = "branches"` reuses the encoder's branch outputs on the current tokens
    instead. The paper's injection of initial noise, which changes the sampler, is left out.
    """

    name = "faster-diffusion"
    title = "Faster Diffusion"
    parameters = {
        "interval": interval_parameter(required=False),
        "key_steps": Parameter(str, "interval", choices=("interval", "paper"), help="paper: its 9 of 50, scaled"),
        "pattern": pattern_parameter(UNSHIFTED),
        "keep": Parameter(str, FEATURES, choices=(FEATURES, BRANCHES), help="what stands for the encoder"),
    }
    tiny = {"interval": 2}
    exact = {"interval": 1}
    interval: int | None
    key_steps: str
    pattern: str
    keep: str

    def validate(self) -> None:
        if (self.interval is None) == (self.key_steps == "interval"):
            raise InputError("faster-diffusion: give 'interval', or 'key_steps' = 'paper' without it")

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """A block has to be left for the encoder and one for the decoder."""
        return "faster-diffusion: one block is no encoder and decoder" if model.num_blocks < 2 else None

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Between key steps the encoder's blocks are not run; what is kept of them stands in their place."""
        last = model.num_blocks // 2 if model.skips else model.num_blocks // 2 - 1  # U-ViT's encoder ends at the middle
        encoder = (Span(0, 2 * (last + 1), STATE if self.keep == FEATURES else BRANCH),)
        count = len(sampler.evaluations(model.noise_schedule))
        return Plan(model.num_branches, tuple(() if full else encoder for full in self.refreshes(count)))

    def refreshes(self, count: int) -> list[bool]:
        """Whether each of `count` evaluations runs the encoder."""
        if self.interval is not None:
            return refreshes(count, self.interval, self.pattern)
        keys = {round(k * count / 50) for k in KEY_STEPS}
        return [k in keys for k in range(count)]
