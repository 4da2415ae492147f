"""DBCache: first blocks decide, last blocks repair, the offset of those between is reused (cache-dit)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.first_block_cache import Residual, residual_bytes
from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import OFFSET, Plan, Span
from methods.policy import Decisions, Look, Policy
from models.errors import InputError

if TYPE_CHECKING:
    from models.denoiser import Denoiser
    from models.structure import Structure


class DBCache(CacheMethod):
    """The first `front` and last `back` blocks always run. The others' offset is reused where the relative change of
    the first blocks' residual since the last computed evaluation is below `threshold`.

    Decided for the whole batch, as in cache-dit 1.5.3. The first `warmup` evaluations are computed (`warmup_interval`:
    only every so many of them); `max_cached` bounds the reused evaluations of a trajectory, `max_continuous` those in
    a row, `max_accumulated` the sum of all measured changes, which is never reset. `order` extrapolates the offset.
    `mask` is 1 (compute) or 0 an evaluation: with `mask_policy` "static" it decides alone, else 0 only permits reuse.
    """

    name = "dbcache"
    title = "DBCache"
    parameters = {
        "front": Parameter(int, 8, 1, 1000, help="blocks computed at the start, Fn"),
        "back": Parameter(int, 0, 0, 1000, help="blocks computed at the end, Bn"),
        "threshold": Parameter(float, 0.08, 0.0, 1e6, help="changes below this are reused; from 1 on: always"),
        "warmup": Parameter(int, 8, 0, 1000, help="evaluations computed at the start"),
        "warmup_interval": Parameter(int, 1, 1, 1000, help="compute every so many of those"),
        "max_cached": Parameter(int, None, 0, 10**6, help="most reused evaluations of a trajectory"),
        "max_continuous": Parameter(int, None, 0, 10**6, help="most reused in a row"),
        "max_accumulated": Parameter(float, None, 0.0, 1e6, help="sum of measured changes that ends all reuse"),
        "order": Parameter(int, 0, 0, 8, help="of the offset's extrapolation"),
        "mask": Parameter(object, help="list of 1 (compute) and 0, one an evaluation"),
        "mask_policy": Parameter(str, "dynamic", choices=("dynamic", "static"), help="whether 0 decides or permits"),
    }
    tiny = {"front": 1, "back": 1, "threshold": 0.5, "warmup": 2}
    exact = {"front": 1, "threshold": 0.0}

    def validate(self) -> None:
        """Raises InputError where `mask` is no list of zeros and ones that begins with 1."""
        mask = self.params["mask"]
        if mask is not None and not (isinstance(mask, (list, tuple)) and mask and all(v in (0, 1) for v in mask)):
            raise InputError(f"dbcache: 'mask' must be a list of zeros and ones, got {mask!r}")
        if mask is not None and mask[0] != 1:
            raise InputError("dbcache: 'mask' begins with 0, but the first evaluation has nothing to reuse")

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """A block has to be left between `front` and `back`."""
        if self.params["front"] + self.params["back"] >= model.num_blocks:
            kept = f"'front' = {self.params['front']} and 'back' = {self.params['back']}"
            return f"dbcache: {kept} leave nothing to reuse of {model.num_blocks} blocks"
        return None

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Nothing is reused by the plan itself: the policy decides. Raises InputError for a mask of another length."""
        count, mask = len(sampler.evaluations(model.noise_schedule)), self.params["mask"]
        if mask is not None and len(mask) != count:
            raise InputError(f"dbcache: 'mask' has {len(mask)} entries, expected {count}, one an evaluation")
        settings = {key: value for key, value in self.params.items() if key not in ("front", "back", "order", "mask")}
        first, last = 2 * self.params["front"], model.num_branches - 2 * self.params["back"]
        middle = Span(first, last, OFFSET, self.params["order"])
        policy = DualBlock(middle, mask=None if mask is None else tuple(mask), **settings)
        return Plan(model.num_branches, ((),) * count, policy=policy)


@dataclass(frozen=True)
class DualBlock(Policy):
    middle: Span
    threshold: float
    warmup: int
    warmup_interval: int
    max_cached: int | None
    max_continuous: int | None
    max_accumulated: float | None
    mask: tuple[int, ...] | None
    mask_policy: str

    @property
    def points(self) -> tuple[int, ...]:
        """Before the first block, after the first blocks (the decision), and after those that may be reused."""
        return 0, self.middle.start, self.middle.stop

    @property
    def slots(self) -> tuple[Span, ...]:
        """The offset of the blocks in the middle."""
        return (self.middle,)

    def remembered_bytes(self, model: Structure, value_bytes: int) -> int:
        """The residual of the first blocks, and its size."""
        return residual_bytes(model, value_bytes)

    def begin(self, evaluations: int) -> Decisions:
        """The counters of one trajectory."""
        return DualBlockDecisions(self)


class DualBlockDecisions(Decisions):
    def __init__(self, policy: DualBlock) -> None:
        self.policy = policy
        self.residual = Residual()  # of the first blocks
        self.cached, self.run, self.accumulated = 0, 0, 0.0

    def decide(self, k: int, point: int, look: Look) -> Sequence[Span]:
        """Compare the first blocks' residual [N,T,D] with the one of the last computed evaluation."""
        policy = self.policy
        if point == 0:
            self.residual.enter(look.tokens)
            return ()
        if point == policy.middle.stop:
            return ()
        self.residual.leave(look.tokens)
        reuses = self.reuses(k)
        self.residual.end(keep=not reuses)
        if reuses:
            self.cached, self.run = self.cached + 1, self.run + 1
            return policy.slots
        self.run = 0
        if k <= 2 and policy.middle.order:  # the calibrator takes no difference before evaluation 3
            look.forget(policy.middle)
        return ()

    def reuses(self, k: int) -> bool:
        """Whether evaluation k reuses: mask, warm-up and limits first, then the relative change."""
        policy = self.policy
        if self.residual.before is None or (policy.mask is not None and policy.mask[k]):
            return False
        if policy.mask is not None and policy.mask_policy == "static":
            return True
        if k < policy.warmup and k % policy.warmup_interval == 0:
            return False
        if reached(self.cached, policy.max_cached) or reached(self.run, policy.max_continuous):
            return False
        if reached(self.accumulated, policy.max_accumulated):  # counts what was measured before
            return False
        change = self.residual.change()
        self.accumulated += change
        return policy.threshold >= 1 or change < policy.threshold


def reached(value: Any, limit: Any) -> bool:
    """Whether a limit is set and the value is there."""
    return limit is not None and value >= limit
