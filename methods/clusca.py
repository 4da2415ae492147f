"""ClusCa: extrapolate, and recompute the MLP for one token of each cluster (arXiv 2509.10312)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import Plan, Span
from methods.policy import Decisions, Look, Policy, flat_rows, pick
from methods.refresh import warmed_up

if TYPE_CHECKING:
    from torch import Tensor

    from models.denoiser import Denoiser
    from models.structure import Structure

ITERATIONS = 100  # of k-means, at most


class ClusCa(CacheMethod):
    """Evaluations are refreshed as TaylorSeer's. In between every branch is extrapolated; one token of each cluster,
    drawn for every layer, has its MLP computed, and a share `propagation` of that goes to the rest of the cluster.

    Clusters are those of the last block's output at a refresh: k-means in L1, begun at random and from then on where it
    was left. As in the published code (Cache4Diffusion 91a1949) what is computed takes the place of the kept output,
    to which the extrapolation's higher orders are still added. Draws come from a generator of the trajectory's own, so
    that the same arguments give the same samples. For each image of the batch.
    """

    name = "clusca"
    title = "ClusCa"
    parameters = {
        "interval": Parameter(int, 5, 1, 1000, help="evaluations between refreshes"),
        "order": Parameter(int, 1, 0, 8, help="highest order of the extrapolation"),
        "clusters": Parameter(int, 16, 1, 10000, help="clusters of tokens, of each of which one is computed"),
        "propagation": Parameter(float, 0.007, 0.0, 1.0, help="share of the computed token in the rest of its cluster"),
        "warmup": Parameter(int, 2, 1, 1000, help="evaluations computed at the start"),
    }
    tiny = {"interval": 3, "clusters": 4}
    exact = {"interval": 1, "clusters": 4}

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """More tokens than clusters are needed."""
        tokens = model.token_shape()[0]
        if self.params["clusters"] >= tokens:
            return f"clusca: 'clusters' = {self.params['clusters']} leaves none of {tokens} tokens"
        return None

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Between refreshes all attention is extrapolated, and of every MLP one token of each cluster is computed."""
        order, share = self.params["order"], self.params["clusters"] / model.token_shape()[0]
        between: list[Span] = []
        for block in range(model.num_blocks):
            between.append(Span(2 * block, 2 * block + 1, order=order))
            between.append(Span(2 * block + 1, 2 * block + 2, order=order, fresh=share))
        count = len(sampler.evaluations(model.noise_schedule))
        full = warmed_up(count, self.params["interval"], self.params["warmup"])
        rows = tuple(() if computed else tuple(between) for computed in full)
        policy = ClusterChoice(model.num_branches, tuple(full), self.params["clusters"], self.params["propagation"])
        return Plan(model.num_branches, rows, policy=policy)


@dataclass(frozen=True)
class ClusterChoice(Policy):
    branches: int
    full: tuple[bool, ...]  # evaluations that compute all
    clusters: int
    propagation: float

    @property
    def points(self) -> tuple[int, ...]:
        """After the last block, whose tokens are clustered."""
        return (self.branches,)

    def remembered_bytes(self, model: Structure, value_bytes: int) -> int:
        """Each token's cluster, the centres, and what was drawn last; clusters and tokens are numbers of 8 bytes."""
        tokens, width = model.token_shape()
        return 8 * tokens + self.clusters * (width * value_bytes + 8 * model.num_blocks)

    def begin(self, evaluations: int) -> Decisions:
        """The draws of one trajectory, from a generator of its own."""
        return Clusters(self)


class Clusters(Decisions):
    def __init__(self, policy: ClusterChoice) -> None:
        import torch

        self.policy = policy
        self.generator = torch.Generator().manual_seed(0)
        self.centres: Tensor | None = None
        self.drawn_at = -1  # the evaluation of `drawn`

    def decide(self, k: int, point: int, look: Look) -> Sequence[Span]:
        """At a refresh, cluster the tokens [N,T,D]; which rows are computed is known before."""
        import torch

        if self.policy.full[k]:
            if self.centres is None:
                start = torch.rand(look.tokens.shape[:2], generator=self.generator).argsort(dim=1)
                self.centres = pick(look.tokens, start[:, : self.policy.clusters].to(look.tokens.device))
            self.labels, self.centres = k_means(look.tokens, self.centres)
        return ()

    def fresh(self, k: int, index: int, look: Look) -> Tensor:
        """One token of each cluster for this block: int64 [N,K]; drawn once an evaluation."""
        if k != self.drawn_at:
            self.drawn_at, self.drawn = k, self.draw()
        return self.drawn[index // 2]

    def draw(self) -> Tensor:
        """One token of each cluster for every block [L,N,K]; token 0 of an empty one."""
        import torch

        draws = torch.rand((self.policy.branches // 2, *self.labels.shape), generator=self.generator)
        clusters = torch.arange(self.policy.clusters, device=self.labels.device).unsqueeze(1)
        members = self.labels.unsqueeze(1) == clusters  # [N,K,T]
        drawn = torch.where(members, draws.to(self.labels.device).unsqueeze(2), -1.0).argmax(dim=-1)
        return drawn * members.any(dim=-1)

    def merge(self, kept: Tensor, fresh: Tensor, out: Tensor) -> Tensor:
        """What is computed in its place, then in every token a share of its cluster's computed ones.

        Their sum, not their mean: token 0 counts once for every empty cluster that it stands for, as published.
        """
        import torch

        merged, share = super().merge(kept, fresh, out), self.policy.propagation
        if not share:
            return merged
        of = flat_rows(self.labels.gather(1, fresh), out.shape[1])  # the clusters of the computed tokens
        sums = torch.zeros_like(out)
        sums.flatten(0, 1).index_add_(0, of, out.flatten(0, 1))
        return merged.lerp_(pick(sums, self.labels), share)


def k_means(tokens: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Labels [N,T] and centres [N,K,D] of tokens [N,T,D], each with the nearest centre in L1.

    The centre of a cluster that has lost its tokens moves to the origin, from where it may catch others, as published.
    """
    import torch

    clusters = torch.arange(centres.shape[1], device=tokens.device)
    labels = nearest(tokens, centres)
    for _ in range(ITERATIONS):
        member = (labels.unsqueeze(-1) == clusters).to(tokens.dtype)  # [N,T,K]
        count = member.sum(dim=1).unsqueeze(-1)  # [N,K,1]
        centres = member.transpose(1, 2) @ tokens / count.clamp(min=1)  # [N,K,D]
        before, labels = labels, nearest(tokens, centres)
        if torch.equal(before, labels):
            break
    return labels, centres


def nearest(tokens: Tensor, centres: Tensor) -> Tensor:
    """The centre [N,K,D] that is nearest to each of the tokens [N,T,D] in L1: int64 [N,T]."""
    import torch

    return torch.cdist(tokens.float(), centres.float(), p=1).argmin(dim=-1)
