"""hicache-pp around our own denoiser: the library forecasts a denoiser's output, and has no network of its own.

Uncached it is the denoiser's plain forward pass. Guidance is linear and so are the Hermite forecasts: forecasting both
guidance halves, as the library's own DiT benchmark does, is forecasting their combination.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.engines.engine import Engine, EngineCache, Reset
from methods.method import Parameter

if TYPE_CHECKING:
    from torch import Tensor

    from models.denoiser import Denoiser

HERMITE = "hermite"
FORECASTS = {HERMITE: "hicache_forecast", "dmd": "dmd_forecast_state", "auto": "auto_forecast_state"}  # by backend


class HiCachePP(EngineCache):
    """The library's loop: hicache_decide, then compute and hicache_update_derivatives, or forecast."""

    name = "hicache"
    title = "HiCache"
    parameters = {
        "interval": Parameter(int, 4, 1, 1000, help="evaluations between refreshes"),
        "order": Parameter(int, 1, 1, 8, help="highest order of the differences, max_order"),
        "warmup": Parameter(int, 2, 1, 1000, help="evaluations computed at the start, first_enhance"),
        "sigma": Parameter(float, 0.5, 1e-6, 1 - 1e-6, help="contraction of the Hermite polynomials"),
        "backend": Parameter(str, HERMITE, choices=tuple(FORECASTS), help="polynomials, exponentials, or a choice"),
    }
    off = {"interval": 1}
    tiny = {"interval": 3, "order": 2}

    def apply(self, network: Any, evaluations: int) -> Reset:
        from hicache_pp import hicache_init

        given = self.params
        settings = {"num_steps": evaluations, "interval": given["interval"], "max_order": given["order"]}
        settings |= {"first_enhance": given["warmup"], "sigma": given["sigma"], "backend": given["backend"]}

        def begin() -> None:
            network.state = hicache_init(**settings)

        return begin


class HiCachePlusPlus(Engine):
    """Takes any denoiser whose branches can be counted."""

    name = "hicache-pp"
    packages = {"hicache-pp": "1.3.0"}
    caches = (HiCachePP,)

    def takes_not(self, model: Denoiser) -> str | None:
        if model.splits_branches:
            return None
        return f"engine '{self.name}' cannot see which branches of a {type(model).__name__} run"

    def network(self, model: Any) -> Any:
        return forecasting(model)

    def evaluate(self, network: Any, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return network(x, t, y)

    def branches(self, network: Any) -> list[Any]:
        return [network.denoiser.layer(index) for index in range(network.denoiser.num_branches)]


def forecasting(model: Any) -> Any:
    """A module of a denoiser; each of its calls is a step of the library's loop once `state` is set."""
    from torch import nn

    class Forecasting(nn.Module):
        state: dict[str, Any] | None = None  # the library's, of one trajectory

        def __init__(self) -> None:
            super().__init__()
            self.denoiser = model

        def forward(self, *inputs: Tensor) -> Tensor:
            return model(*inputs) if self.state is None else step(self.state, lambda: model(*inputs))

    return Forecasting().eval()


def step(state: dict[str, Any], compute: Callable[[], Tensor]) -> Tensor:
    """One evaluation, computed or forecast, as the library decides."""
    import hicache_pp

    backend = state["backend"]
    if hicache_pp.hicache_decide(state) == "full":
        out = compute()
        hicache_pp.hicache_update_derivatives(state, out)
        if backend != HERMITE:
            hicache_pp.dmd_update_snapshots(state, out)
    else:
        out = getattr(hicache_pp, FORECASTS[backend])(state)
    state["step"] += 1
    return out
