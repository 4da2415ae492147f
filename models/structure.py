"""A denoiser's structure: what plans and costs are made from. Needs no torch, so it is there at once."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod

from models.noise_schedule import NoiseSchedule


class Structure(metaclass=ABCMeta):  # with ABC as a base, FSDP2 could not change the class of a network
    """A chain of residual branches: branch `2b` is block b's attention, `2b + 1` its MLP, in execution order.

    Every `_macs` method counts multiply-accumulates of one unguided image: matrix products and convolutions only,
    attention products included.
    """

    noise_schedule: NoiseSchedule
    latent_shape: tuple[int, int, int]  # C, H, W
    null_label: int  # the label of unconditional evaluations
    num_blocks: int
    skips: dict[int, int]  # block -> earlier block whose output joins its input; empty on DiT

    @property
    def num_branches(self) -> int:
        """Two a block: attention and MLP."""
        return 2 * self.num_blocks

    @property
    def can_be_guided(self) -> bool:
        """Whether there is a null class to evaluate without a label."""
        return self.null_label >= 0

    @abstractmethod
    def embed_macs(self) -> int:
        """Patch, time and label embedding plus the output projection: what every evaluation pays."""

    def enter_block_macs(self, block: int) -> int:
        """What joins the long skip."""
        return 0

    @abstractmethod
    def branch_macs(self, index: int) -> int:
        """The branch up to its output, before the gate."""

    def residual_macs(self, index: int) -> int:
        """The gate: paid also where the branch is reused."""
        return 0

    @abstractmethod
    def token_shape(self) -> tuple[int, int]:
        """(T, D) of one image's tokens: the size of everything a cache keeps."""

    @abstractmethod
    def num_parameters(self) -> int:
        """How many numbers the weights hold, fixed tables among them."""


def attention_macs(tokens: int, dim: int) -> int:
    """qkv and output projections (4 T D^2) plus QK^T and AV (2 T^2 D)."""
    return 4 * tokens * dim**2 + 2 * tokens**2 * dim


def linear_parameters(inputs: int, outputs: int, bias: bool = True) -> int:
    """Weights [outputs, inputs] and, with `bias`, [outputs]."""
    return outputs * (inputs + bias)


def block_parameters(dim: int, hidden: int, qkv_bias: bool) -> int:
    """Attention (qkv and output projection) and MLP of one block."""
    attention = linear_parameters(dim, 3 * dim, qkv_bias) + linear_parameters(dim, dim)
    return attention + linear_parameters(dim, hidden) + linear_parameters(hidden, dim)
