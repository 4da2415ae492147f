"""LazyDiT: a learned linear score of each branch's input says for which images it is skipped (arXiv 2412.12444)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import Plan, Span
from methods.policy import Decisions, Look, Policy
from methods.routing.file import Router, read_card, training_of
from methods.routing.shipped import by_weight, refusal
from models.errors import InputError, first_line
from models.file_kind import no_weights

if TYPE_CHECKING:
    from torch import Tensor

    from models.denoiser import Denoiser
    from models.structure import Structure

KEY = "lazy_weights"


class LazyDiT(CacheMethod):
    """A branch is computed for the images whose score reaches the threshold; the others reuse what was kept.

    The score is sigmoid(Σ over tokens of w · z), z the modulated, normalised input, w of the evaluation and the branch:
    a sum, so weights belong to a number of tokens. Decided for each image of the batch, both guidance halves apart, as
    in the published code (0c49526). The first evaluation is computed; no other is forced. `weights` is a file or a
    tensor; `l1` picks the shipped file that was trained with that ρ for the model and the sampler; without either it is
    the shipped one of the least ρ. A file that says it was made for another model, sampler or guidance is refused
    unless `transfer`; `training` is, once one has been read, what it says that it cost.
    """

    name = "lazydit"
    title = "LazyDiT"
    parameters = {
        "weights": Parameter(
            object, help="safetensors file with 'lazy_weights', or a tensor [steps, blocks, 2, width]"
        ),
        "l1": Parameter(float, None, 0.0, 1e6, help="ρ of shipped weights; default: the least"),
        "attn_threshold": Parameter(float, 0.5, 0.0, 1.0, help="attention is computed from this score on"),
        "mlp_threshold": Parameter(float, 0.5, 0.0, 1.0, help="the MLP is computed from this score on"),
        "transfer": Parameter(bool, False, help="take weights that were made for another model, sampler or guidance"),
    }
    weights: Any
    l1: float | None
    attn_threshold: float
    mlp_threshold: float
    transfer: bool
    training: dict[str, Any] | None = None

    @classmethod
    def exact_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any]:
        """Weights of zero: every score is 0.5, which reaches the threshold."""
        import torch

        return {"weights": torch.zeros(weight_shape(model, sampler))}

    @classmethod
    def tiny_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any]:
        """Small random weights of the pair's shape, from a fixed seed."""
        import torch

        generator = torch.Generator().manual_seed(0)
        return {"weights": 0.1 * torch.randn(weight_shape(model, sampler), generator=generator)}

    def validate(self) -> None:
        """Reads the weights that are given. Raises InputError where they are none, or `l1` is given beside them."""
        if self.weights is not None and self.l1 is not None:
            raise InputError("lazydit: give 'weights' (a file or a tensor) or 'l1' (of shipped weights), not both")
        self.given: Router | None = None if self.weights is None else read_gates(self.weights)
        if self.given is not None:
            self.training = training_of(self.given)

    def files(self, model: str, sampler: Sampler) -> list[Path]:
        """The weights' file, on which a result depends; empty for a tensor, or where none is shipped."""
        if self.given is None:
            with contextlib.suppress(InputError):  # the cell that cannot have it fails with that reason
                return [by_weight(self.name, model, sampler, self.l1)]
            return []
        return [Path(self.weights)] if isinstance(self.weights, (str, Path)) else []

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """None where there are weights, made for this model, sampler and guidance; else why not."""
        try:
            self.find(model, sampler)
        except InputError as error:
            return str(error)
        return None

    def find(self, model: Denoiser, sampler: Sampler) -> Router:
        """The weights that are given, else the shipped ones. Raises InputError where none are for here."""
        gates = self.given or read_gates(by_weight(self.name, model.name, sampler, self.l1))
        reason = refusal(gates, model.name, sampler, self.transfer)
        if reason:
            raise InputError(reason)
        return gates

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Raises InputError where the weights are of another shape, or were made for something else."""
        gates, expected = self.find(model, sampler), weight_shape(model, sampler)
        self.training = training_of(gates)
        if tuple(gates.scores.shape) != expected:
            raise InputError(f"{gates.source}: weights of shape {list(gates.scores.shape)}, expected {list(expected)}")
        weights = gates.scores.detach().float().flip(0)  # rows are respaced steps, the last the first evaluation's
        digest = sha256(weights.contiguous().cpu().numpy().tobytes()).hexdigest()
        thresholds = self.attn_threshold, self.mlp_threshold
        policy = Lazy(
            model.num_branches, thresholds, digest, weights.flatten(1, 2), computed_whole(weights, max(thresholds))
        )
        notes = {"weights": gates.source, "training": self.training}
        return Plan(model.num_branches, ((),) * expected[0], notes, policy)


def weight_shape(model: Denoiser, sampler: Sampler) -> tuple[int, int, int, int]:
    """[evaluations, blocks, 2, width]: one weight vector a branch and evaluation."""
    return len(sampler.evaluations(model.noise_schedule)), model.num_blocks, 2, model.token_shape()[1]


def computed_whole(weights: Tensor, threshold: float) -> frozenset[int]:
    """The first evaluation, and those whose weights [evaluations, …] are zero: 0.5 reaches the threshold."""
    untrained = {k for k, row in enumerate(weights) if threshold <= 0.5 and not row.any()}
    return frozenset({0} | untrained)


def read_gates(value: Any) -> Router:
    """Weights and card of a file, or of a tensor. Raises InputError for anything but finite floating point."""
    import torch

    weights, source, card = value, "lazydit: 'weights'", {}
    if isinstance(value, (str, Path)):
        weights, source, card = read_weights(Path(value)), str(value), read_card(Path(value))
    if not isinstance(weights, torch.Tensor) or not weights.is_floating_point() or not weights.isfinite().all():
        raise InputError(f"{source}: expected floating point [steps, blocks, 2, width] without NaN or infinity")
    return Router(weights, source, card)


def read_weights(path: Path) -> Tensor:
    """The tensor 'lazy_weights' of a safetensors file. Raises InputError with one line."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from models.checkpoint import check_plain

    if not path.is_file():
        raise InputError(f"{path}: no such file of lazy weights")
    try:
        content = load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file ({no_weights(path) or first_line(error)})") from error
    if KEY not in content:
        raise InputError(f"{path}: expected a tensor '{KEY}', found {', '.join(sorted(content)[:5]) or 'none'}")
    check_plain(KEY, content[KEY], path)
    return content[KEY]


@dataclass(frozen=True)
class Lazy(Policy):
    branches: int
    thresholds: tuple[float, float]
    digest: str  # stands for the weights where policies are compared
    weights: Tensor = field(compare=False, repr=False)  # [evaluations, branches, width]
    whole: frozenset[int] = frozenset()  # evaluations that compute every branch, whatever they see

    @property
    def points(self) -> tuple[int, ...]:
        """Before every branch."""
        return tuple(range(self.branches))

    @property
    def slots(self) -> tuple[Span, ...]:
        """Every branch's output."""
        return tuple(Span(j, j + 1) for j in range(self.branches))

    def remembered_bytes(self, model: Structure, value_bytes: int) -> int:
        """The masks of all evaluations, one byte a branch, and that of the last branch."""
        return len(self.weights) * self.branches + 1

    def begin(self, evaluations: int) -> Decisions:
        """The masks of one trajectory."""
        return LazyDecisions(self)


class LazyDecisions(Decisions):
    def __init__(self, policy: Lazy) -> None:
        self.policy = policy
        self.computed: list[Tensor] = []

    def decide(self, k: int, point: int, look: Look) -> Sequence[Span]:
        """An image whose score, sigmoid(Σ w · z) over tokens of z [N,T,D], is below the threshold reuses the branch."""
        import torch

        if point == 0:
            self.computed.append(torch.ones(len(look.tokens), self.policy.branches, dtype=torch.bool))
        if k in self.policy.whole:
            return ()
        z, w = look.branch_input(point), self.policy.weights[k, point].to(look.tokens)
        score = (z @ w).sum(dim=1).sigmoid()  # [N]
        self.mask = score >= self.policy.thresholds[point % 2]
        self.computed[k][:, point] = self.mask.cpu()
        share = float(self.mask.float().mean())
        return () if share == 1.0 else (Span(point, point + 1, fresh=share),)

    def fresh(self, k: int, index: int, look: Look) -> Tensor:
        """The images that are computed: bool [N]."""
        return self.mask
