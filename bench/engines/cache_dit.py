"""cache-dit on diffusers' DiT with our weights: the library's one call, on the network itself.

Its context is refreshed before every trajectory: on a bare network its masks else shift in phase from one to the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.engines.diffusers import VERSION, OnDiffusers
from bench.engines.engine import EngineCache, Reset
from methods.method import Parameter

if TYPE_CHECKING:
    from methods.method import Sampler
    from models.denoiser import Denoiser

NO_LIMIT = -1


class DBCache(EngineCache):
    """DBCacheConfig; with `order` its offset is extrapolated by TaylorSeerCalibratorConfig."""

    name = "dbcache"
    title = "DBCache"
    parameters = {
        "front": Parameter(int, 8, 1, 1000, help="blocks computed at the start, Fn_compute_blocks"),
        "back": Parameter(int, 0, 0, 1000, help="blocks computed at the end, Bn_compute_blocks"),
        "threshold": Parameter(float, 0.08, 0.0, 1e6, help="changes below this are reused, residual_diff_threshold"),
        "warmup": Parameter(int, 8, 0, 1000, help="evaluations computed at the start, max_warmup_steps"),
        "max_cached": Parameter(int, None, 0, 10**6, help="most reused evaluations, max_cached_steps"),
        "max_continuous": Parameter(int, None, 0, 10**6, help="most reused in a row, max_continuous_cached_steps"),
        "order": Parameter(int, 0, 0, 8, help="of the offset's extrapolation, taylorseer_order; 0: none"),
        "mask": Parameter(str, "", choices=("", "slow", "medium", "fast", "ultra"), help="a policy of steps_mask"),
        "mask_policy": Parameter(str, "dynamic", choices=("dynamic", "static"), help="steps_computation_policy"),
    }
    off = {"front": 1, "threshold": 0.0}
    tiny = {"front": 1, "threshold": 0.3, "warmup": 2}

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        front, back = self.params["front"], self.params["back"]
        if front + back >= model.num_blocks:
            return f"dbcache: 'front' = {front} and 'back' = {back} leave nothing to reuse of {model.num_blocks} blocks"
        return None

    def apply(self, network: Any, evaluations: int) -> Reset:
        import cache_dit

        given = self.params
        mask = cache_dit.steps_mask(total_steps=evaluations, mask_policy=given["mask"]) if given["mask"] else None
        config = cache_dit.DBCacheConfig(
            num_inference_steps=evaluations,
            Fn_compute_blocks=given["front"],
            Bn_compute_blocks=given["back"],
            residual_diff_threshold=given["threshold"],
            max_warmup_steps=given["warmup"],
            max_cached_steps=limit(given["max_cached"]),
            max_continuous_cached_steps=limit(given["max_continuous"]),
            steps_computation_mask=mask,
            steps_computation_policy=given["mask_policy"],
        )
        order = given["order"]
        calibrator = cache_dit.TaylorSeerCalibratorConfig(taylorseer_order=order) if order else None
        cache_dit.enable_cache(network, cache_config=config, calibrator_config=calibrator)
        return lambda: cache_dit.refresh_context(network, num_inference_steps=evaluations)


class CacheDiT(OnDiffusers):
    """cache-dit's blocks take the place of diffusers' ones where its caching is on."""

    name = "cache-dit"
    packages = {"cache-dit": "1.5.3", "diffusers": VERSION}
    caches = (DBCache,)


def limit(count: int | None) -> int:
    return NO_LIMIT if count is None else count
