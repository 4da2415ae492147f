"""LazyDiT: a learned linear score of each branch's input says for which images it is skipped (arXiv 2412.12444)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import Plan, Span
from methods.policy import Decisions, Look, Policy
from methods.routing.file import Router, read_card, training_of
from methods.routing.shipped import refusal
from models.errors import InputError, first_line
from models.file_kind import no_weights

if TYPE_CHECKING:
    from torch import Tensor

    from models.denoiser import Denoiser

KEY = "lazy_weights"


class LazyDiT(CacheMethod):
    """A branch is computed for the images whose score reaches the threshold; the others reuse what was kept.

    The score is sigmoid(Σ over tokens of w · z), z the modulated, normalised input, w of the evaluation and the branch:
    a sum, so weights belong to a number of tokens. Decided for each image of the batch, both guidance halves apart, as
    in the published code (0c49526). The first evaluation is computed; no other is forced. A file that says it was made
    for another model, sampler or guidance is refused unless `transfer`; `training` is what it says that it cost.
    """

    name = "lazydit"
    title = "LazyDiT"
    parameters = {
        "weights": Parameter(
            object, required=True, help="safetensors file with 'lazy_weights', or a tensor [steps, blocks, 2, width]"
        ),
        "attn_threshold": Parameter(float, 0.5, 0.0, 1.0, help="attention is computed from this score on"),
        "mlp_threshold": Parameter(float, 0.5, 0.0, 1.0, help="the MLP is computed from this score on"),
        "transfer": Parameter(bool, False, help="take weights that were made for another model, sampler or guidance"),
    }
    weights: Any
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
        """Reads the weights' file. Raises InputError where it holds no floating point numbers, NaN or infinity."""
        import torch

        self.loaded, self.source = self.weights, "lazydit: 'weights'"
        card: dict[str, Any] = {}
        if isinstance(self.weights, (str, Path)):
            self.source = str(self.weights)
            self.loaded, card = read_weights(Path(self.weights)), read_card(Path(self.weights))
        if (
            not isinstance(self.loaded, torch.Tensor)
            or not self.loaded.is_floating_point()
            or not self.loaded.isfinite().all()
        ):
            raise InputError(
                f"{self.source}: expected floating point [steps, blocks, 2, width] without NaN or infinity"
            )
        self.trained = Router(self.loaded, self.source, card)
        self.training = training_of(self.trained)

    def files(self, model: str, sampler: Sampler) -> list[Path]:
        """The weights' file, on which a result depends."""
        return [Path(self.weights)] if isinstance(self.weights, (str, Path)) else []

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """None where the weights were made for this model, sampler and guidance, or do not say; else why not."""
        return refusal(self.trained, model.name, sampler, self.transfer)

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Raises InputError where the weights are of another shape, or were made for something else."""
        reason = self.supports(model, sampler)
        if reason:
            raise InputError(reason)
        expected = weight_shape(model, sampler)
        if tuple(self.loaded.shape) != expected:
            raise InputError(f"{self.source}: weights of shape {list(self.loaded.shape)}, expected {list(expected)}")
        weights = self.loaded.detach().float().flip(0)  # rows are respaced steps, the last the first evaluation's
        digest = sha256(weights.contiguous().cpu().numpy().tobytes()).hexdigest()
        thresholds = self.attn_threshold, self.mlp_threshold
        policy = Lazy(model.num_branches, thresholds, digest, weights.flatten(1, 2))
        notes = {"weights": self.source, "training": self.training}
        return Plan(model.num_branches, ((),) * expected[0], notes, policy)


def weight_shape(model: Denoiser, sampler: Sampler) -> tuple[int, int, int, int]:
    """[evaluations, blocks, 2, width]: one weight vector a branch and evaluation."""
    return len(sampler.evaluations(model.noise_schedule)), model.num_blocks, 2, model.token_shape()[1]


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

    @property
    def points(self) -> tuple[int, ...]:
        """Before every branch."""
        return tuple(range(self.branches))

    @property
    def slots(self) -> tuple[Span, ...]:
        """Every branch's output."""
        return tuple(Span(j, j + 1) for j in range(self.branches))

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
        if k == 0:
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
