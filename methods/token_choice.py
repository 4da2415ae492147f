"""Which tokens a partly computed MLP computes, by ToCa's scores (methods/toca.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.plan import Span
from methods.policy import Decisions, Look, Policy

if TYPE_CHECKING:
    from torch import Tensor

ALL = -1  # all tokens, and attention with them
SCORES = ("attention", "norm", "similarity", "kv-norm")


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
        return tuple(range(2 * len(self.picked[0])))

    def partial(self, k: int, tokens: int) -> list[int]:
        """The blocks that compute some of their tokens at evaluation k."""
        return [block for block, count in enumerate(self.picked[k]) if 0 < count < tokens]

    def begin(self, evaluations: int) -> Decisions:
        return TokenScores(self)


class TokenScores(Decisions):
    def __init__(self, policy: TokenChoice) -> None:
        self.policy = policy
        self.attention: dict[int, Tensor] = {}  # scores [N,T] of each block, from its last full evaluation
        self.outputs: dict[int, Tensor] = {}  # what is kept of each block's MLP [N,T,D], where the score asks for it
        self.age: dict[int, Tensor] = {}  # partial evaluations since each token was computed [N,T]
        self.chosen: dict[int, Tensor] = {}  # by block, what the running evaluation is about to compute [N,K]

    def decide(self, k: int, point: int, look: Look) -> Sequence[Span]:
        import torch

        block, picked = point // 2, self.policy.picked[k][point // 2]
        if picked == ALL and point % 2 == 0:
            self.see_attention(block, look)
        elif picked == ALL or picked == look.tokens.shape[1]:
            self.age[block] = torch.zeros(look.tokens.shape[:2], device=look.tokens.device)
            if self.policy.score == "similarity":
                self.outputs[block] = look.output_of(point)
        elif picked == 0 and point % 2:
            self.age[block] += 1
        return ()

    def see_attention(self, block: int, look: Look) -> None:
        from torch.nn.functional import normalize

        if self.policy.score == "attention":
            self.attention[block] = normalize(look.attention(2 * block).mean(dim=1).sum(dim=1), dim=1)
        elif self.policy.score == "kv-norm":
            self.attention[block] = normalize((1 - look.values(2 * block).norm(dim=-1)).sum(dim=1), dim=1)

    def fresh(self, k: int, index: int, look: Look) -> Tensor:
        self.block = index // 2
        if self.block not in self.chosen:
            known = self.policy.score in ("attention", "kv-norm")  # before the tokens are there: for all blocks at once
            self.choose(k, self.policy.partial(k, look.tokens.shape[1]) if known else [self.block], look.tokens)
        return self.chosen.pop(self.block)

    def choose(self, k: int, blocks: Sequence[int], tokens: Tensor) -> None:
        """The best tokens of each image in each of the blocks, and the age of all afterwards."""
        import torch

        ages = torch.stack([self.age[block] for block in blocks])  # [L,N,T]
        scores = torch.stack([self.score(block, tokens) for block in blocks]) + self.policy.staleness * ages
        raised = raise_best(scores.flatten(0, 1), self.policy.grid, self.policy.bonus)
        best = raised.argsort(dim=-1, descending=True).view(scores.shape)
        for block, order, age in zip(blocks, best, ages.add_(1), strict=True):
            self.chosen[block] = order[:, : self.policy.picked[k][block]]
            self.age[block] = age.scatter_(1, self.chosen[block], 0.0)

    def score(self, block: int, tokens: Tensor) -> Tensor:
        """What is known of the tokens [N,T]."""
        from torch.nn.functional import cosine_similarity, normalize

        if self.policy.score == "norm":
            return normalize(tokens.norm(dim=-1), dim=-1)
        if self.policy.score == "similarity":
            return normalize(1 - cosine_similarity(tokens, self.outputs[block], dim=-1), dim=-1)
        return self.attention[block]

    def merge(self, kept: Tensor, fresh: Tensor, out: Tensor) -> Tensor:
        merged = super().merge(kept, fresh, out)
        if self.policy.score == "similarity":
            self.outputs[self.block] = merged
        return merged


def raise_best(score: Tensor, grid: int, bonus: float) -> Tensor:
    """`score` [N,T] with the best of every 2 × 2 neighbours of the image, whose tokens come last, raised by `bonus`."""
    from torch.nn.functional import max_pool2d

    if grid % 2:
        return score
    extras = score.shape[1] - grid**2
    image = score[:, extras:].view(-1, 1, grid, grid)
    best, which = max_pool2d(image, 2, return_indices=True)  # [N,1,grid/2,grid/2], places among the grid² tokens
    return score.scatter(1, (which + extras if extras else which).flatten(1), (best * (1 + bonus)).flatten(1))
