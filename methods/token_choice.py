"""Which tokens a partly computed MLP computes, by ToCa's scores (methods/toca.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from methods.plan import Span
from methods.policy import Decisions, Look, Policy

if TYPE_CHECKING:
    from torch import Tensor

    from models.structure import Structure

ALL, UNRUN = -1, -2  # tokens of a block: all, and attention with them; none, as the block is not run
ATTENTION, NORM, SIMILARITY, KV_NORM = SCORES = ("attention", "norm", "similarity", "kv-norm")
KNOWN = (ATTENTION, KV_NORM)  # from a block's last full evaluation, so before its tokens are there
AGE_BYTES = 4


@dataclass(frozen=True)
class TokenChoice(Policy):
    """Which tokens: the best by score, age and neighbourhood."""

    picked: tuple[tuple[int, ...], ...]  # how many, by evaluation and block
    grid: int  # tokens along a side of the image; others, such as U-ViT's time, have no neighbours
    score: str
    staleness: float  # for each partial evaluation that a token has missed
    bonus: float

    @property
    def points(self) -> tuple[int, ...]:
        """Before the first branch, and where a score is seen: before every attention, or before every MLP."""
        branches = 2 * len(self.picked[0])
        if self.score == NORM:
            return (0,)
        return tuple(range(0, branches, 2)) if self.score in KNOWN else (0, *range(1, branches, 2))

    def remembered_bytes(self, model: Structure, value_bytes: int) -> int:
        """The age of every token in every block, and its score, or what the block's MLP put out."""
        tokens, width = model.token_shape()
        score = {NORM: 0, SIMILARITY: width * value_bytes}.get(self.score, value_bytes)
        return model.num_blocks * tokens * (AGE_BYTES + score)

    def begin(self, evaluations: int) -> Decisions:
        return TokenScores(self)


class TokenScores(Decisions):
    """Of L blocks, N images and T tokens; all blocks at once where their scores are known before."""

    scores: Tensor  # where known [L,N,T]
    age: Tensor  # partial evaluations since each token was computed, float32 [L,N,T]

    def __init__(self, policy: TokenChoice) -> None:
        self.policy = policy
        self.seen: dict[int, Tensor] = {}  # by block, scores that are not yet normalised [N,T]
        self.outputs: dict[int, Tensor] = {}  # what is kept of each block's MLP [N,T,D], where the score asks for it
        self.chosen: dict[int, Tensor] = {}  # by block, what the running evaluation is about to compute [N,K]

    def decide(self, k: int, point: int, look: Look) -> Sequence[Span]:
        """Choose at the first branch; at those of a block that is computed in full, see what its score needs."""
        block, at_mlp = divmod(point, 2)
        picked, tokens = self.policy.picked[k], look.tokens.shape[1]
        if point == 0:
            self.start(k, look.tokens)
        if at_mlp and picked[block] in (ALL, tokens):
            self.outputs[block] = look.output_of(point)
        elif not at_mlp and picked[block] == ALL and self.policy.score in KNOWN:
            self.seen[block] = self.attention(2 * block, look)
            if len(self.seen) == picked.count(ALL):
                self.normalize()
        return ()

    def start(self, k: int, tokens: Tensor) -> None:
        """Begin evaluation k: choose where scores are known; tokens are new or older, but not those of unrun blocks."""
        import torch

        picked, (N, T) = self.policy.picked[k], tokens.shape[:2]
        if k == 0:
            self.age = torch.zeros(len(picked), N, T, device=tokens.device)
        known = self.policy.score in KNOWN and any(0 < count < T for count in picked)
        order = self.order(self.scores, self.age) if known else None
        for count, blocks in runs(picked):
            if count in (ALL, T):
                self.age[blocks].zero_()
            elif count == 0:
                self.age[blocks].add_(1)
            elif order is not None:
                self.choose(blocks, order[blocks, :, :count])

    def attention(self, index: int, look: Look) -> Tensor:
        """What an attention branch says of its tokens [N,T]: how much they are attended to, or how small values are."""
        if self.policy.score == ATTENTION:
            return look.attention(index).mean(dim=1).sum(dim=1)
        return (1 - look.values(index).norm(dim=-1)).sum(dim=1)

    def normalize(self) -> None:
        """Turn what was seen into scores of length 1 in each image."""
        import torch
        from torch.nn.functional import normalize

        scores = normalize(torch.stack(list(self.seen.values())), dim=-1)
        if len(self.seen) == len(self.policy.picked[0]):
            self.scores = scores
        else:
            for block, score in zip(self.seen, scores, strict=True):
                self.scores[block] = score
        self.seen = {}

    def fresh(self, k: int, index: int, look: Look) -> Tensor:
        """The best tokens of each image [N,K]."""
        block = self.block = index // 2
        if block not in self.chosen:
            blocks = slice(block, block + 1)
            order = self.order(self.score(block, look.tokens).unsqueeze(0), self.age[blocks])
            self.choose(blocks, order[..., : self.policy.picked[k][block]])
        return self.chosen.pop(block)

    def order(self, scores: Tensor, age: Tensor) -> Tensor:
        """Each image's tokens [L,N,T], the best first."""
        aged = scores + self.policy.staleness * age
        raised = raise_best(aged.flatten(0, 1), self.policy.grid, self.policy.bonus)
        return raised.argsort(dim=-1, descending=True).view(age.shape)

    def choose(self, blocks: slice, best: Tensor) -> None:
        """Compute the tokens `best` [L,N,K] of some blocks: they are new, and all others older."""
        self.age[blocks].add_(1).scatter_(-1, best, 0.0)
        self.chosen.update(zip(range(blocks.start, blocks.stop), best, strict=True))

    def score(self, block: int, tokens: Tensor) -> Tensor:
        """What is known of the tokens once they are there [N,T]."""
        from torch.nn.functional import cosine_similarity, normalize

        if self.policy.score == NORM:
            return normalize(tokens.norm(dim=-1), dim=-1)
        return normalize(1 - cosine_similarity(tokens, self.outputs[block], dim=-1), dim=-1)

    def merge(self, kept: Tensor, fresh: Tensor, out: Tensor) -> Tensor:
        merged = super().merge(kept, fresh, out)
        if self.policy.score == SIMILARITY:
            self.outputs[self.block] = merged
        return merged


def runs(picked: Sequence[int]) -> Iterator[tuple[int, slice]]:
    """Blocks in a row that compute as many tokens: how many, and which blocks."""
    start = 0
    for count, blocks in groupby(picked):
        stop = start + len(list(blocks))
        yield count, slice(start, stop)
        start = stop


def raise_best(score: Tensor, grid: int, bonus: float) -> Tensor:
    """`score` [N,T] with the best of every 2 × 2 neighbours of the image, whose tokens come last, raised by `bonus`."""
    from torch.nn.functional import max_pool2d

    if grid % 2:
        return score
    extras = score.shape[1] - grid**2
    image = score[:, extras:].view(-1, 1, grid, grid)
    best, which = max_pool2d(image, 2, return_indices=True)  # [N,1,grid/2,grid/2], places among the grid² tokens
    return score.scatter(1, (which + extras if extras else which).flatten(1), (best * (1 + bonus)).flatten(1))
