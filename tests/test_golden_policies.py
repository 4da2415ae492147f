"""Methods that decide during sampling, against recorded runs of their published implementations."""

import golden_field as field
import numpy as np
import pytest
import torch

import methods
from bench.sampling.executor import Executor
from methods.clusca import ClusterChoice, Clusters
from methods.token_choice import TokenScores


def check(name, run, cache):
    """The trace of both paths, which must agree, after the samples of both have been found right."""
    traces = []
    for path in ("plain", "compiled"):
        trace = []
        assert field.replay(name, run, cache, trace, path) < field.TOLERANCE
        traces.append(np.array(trace))
    assert np.array_equal(*traces)
    return traces[0]


def calls(trace):
    """The evaluations at which each branch is computed."""
    names = [f"{kind}-{block}" for block in range(trace.shape[1] // 2) for kind in ("attn", "mlp")]
    return {name: np.flatnonzero(column).tolist() for name, column in zip(names, trace.T, strict=True)}


@pytest.mark.parametrize(("name", "run"), field.runs("diffusers_hooks_dit", method="fbcache"))
def test_first_block_cache(name, run):
    cache = methods.build("first-block-cache", threshold=run["settings"]["threshold"])
    assert calls(check(name, run, cache)) == run["computed_calls"]


@pytest.mark.parametrize(("name", "run"), field.runs("cachedit_dit"))
def test_dbcache(name, run):
    settings = run["settings"]
    cache = methods.build(
        "dbcache",
        front=settings["Fn_compute_blocks"],
        back=settings["Bn_compute_blocks"],
        threshold=settings["residual_diff_threshold"],
        warmup=settings["max_warmup_steps"],
        warmup_interval=settings.get("warmup_interval", 1),
        max_cached=settings.get("max_cached_steps"),
        max_continuous=settings.get("max_continuous_cached_steps"),
        max_accumulated=settings.get("max_accumulated_residual_diff_threshold"),
        order=run["taylorseer_order"] or 0,
        mask=settings.get("steps_computation_mask"),
        mask_policy=settings.get("steps_computation_policy", "dynamic"),
    )
    computed = calls(check(name, run, cache))
    for block, at in run["blocks_computed_at"].items():
        assert computed[f"attn-{block}"] == computed[f"mlp-{block}"] == at


@pytest.mark.parametrize(("name", "run"), field.runs("lazydit_dit"))
def test_lazydit(name, run):
    T, tag = field.load(name)[0], run["tag"]
    cache = methods.build(
        "lazydit",
        weights=T[f"{tag}.lazy_weights"],
        attn_threshold=run["attn_threshold"],
        mlp_threshold=run["mlp_threshold"],
    )
    trace = check(name, run, cache)  # [evaluations, images, branches]
    recorded = T[f"{tag}.computed"].bool().numpy()  # [evaluations, blocks, 2, images]
    assert np.array_equal(trace, recorded.reshape(len(recorded), -1, recorded.shape[-1]).transpose(0, 2, 1))


@pytest.mark.parametrize(("name", "run"), field.runs("speca_dit"))
def test_speca(name, run):
    settings = run["settings"]
    cache = methods.build(
        "speca",
        threshold=settings["base_threshold"],
        decay=settings["decay_rate"],
        min_steps=settings["min_taylor_steps"],
        max_steps=settings["max_taylor_steps"],
        metric=settings["error_metric"],
        order=settings["max_order"],
    )
    trace = check(name, run, cache)
    assert np.flatnonzero(trace.all(axis=1)).tolist() == [run["steps"] - 1 - step for step in run["full_steps"]]
    verified = [e["step"] for e in run["speca_log"] if e["type"] == "Taylor" and e["check"]]
    assert verified_evaluations(name, run, cache) == [run["steps"] - 1 - step for step in verified]


def verified_evaluations(name, run, cache):
    """Where the last block was run for its error alone."""
    found = set()
    look_at = Executor.branch

    def branch(self, index, tokens):
        found.add(self.k)
        return look_at(self, index, tokens)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Executor, "branch", branch)
        field.replay(name, run, cache)
    return sorted(found)


def token_method(name, run):
    settings = run["settings"]
    return methods.build(
        name,
        interval=settings["fresh_threshold"],
        ratio=settings["fresh_ratio"],
        ratio_schedule=settings["ratio_scheduler"],
        score=settings["cache_type"],
        staleness=settings["soft_fresh_weight"],
    )


def blocks_of(types, blocks):
    return types["per_layer"] if isinstance(types, dict) else [types] * blocks


@pytest.mark.parametrize(("name", "run"), field.runs("toca_dit", "toca_dit_d6", "duca_dit"))
def test_tokens(name, run):
    """The type of every block, the tokens that every layer computes, as sets, and the samples."""
    cache, T, tag = token_method(name.split("_")[0], run), field.load(name)[0], run["tag"]
    model = field.model(name)
    chosen = {}
    original = TokenScores.fresh

    def recorded(self, k, index, look):
        chosen[k, index // 2] = original(self, k, index, look)
        return chosen[k, index // 2]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TokenScores, "fresh", recorded)
        trace = check(name, run, cache)
    for k, (_, _, types) in enumerate(run["per_step"]):
        wanted = [kind == "full" for kind in blocks_of(types, model.num_blocks)]
        assert trace[k, 0::2].tolist() == wanted
    for row, step in enumerate(run["fresh_steps"]):
        k = run["steps"] - 1 - step
        for block in range(model.num_blocks):
            count = int(T[f"{tag}.fresh_count"][row, block])
            if 0 < count < model.token_shape()[0]:  # all tokens need no choice
                ours = chosen[k, block].sort(dim=1).values
                theirs = T[f"{tag}.fresh"][row, block, :, :count].long().sort(dim=1).values
                assert ours.equal(theirs)
            else:
                assert (k, block) not in chosen


def clusca(settings):
    return methods.build(
        "clusca",
        interval=settings["interval"],
        order=settings["max_order"],
        clusters=settings["cluster_num"],
        propagation=settings["propagation_ratio"],
    )


def recorded_draws(run, drawn):
    def fresh(self, k, index, look):
        row = run["fresh_steps"].index(run["steps"] - 1 - k)
        return drawn[row, index // 2].long()

    return fresh


@pytest.mark.parametrize(("name", "run"), field.runs("clusca_dit"))
def test_clusca(name, run):
    """With the recorded draws and clusters, which came from a global generator."""
    settings, T, tag = run["settings"], field.load(name)[0], run["tag"]

    def decide(self, k, point, look):
        step = run["steps"] - 1 - k
        if step in run["cluster_steps"]:
            self.labels = T[f"{tag}.clusters"][run["cluster_steps"].index(step)].long()
        return ()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clusters, "fresh", recorded_draws(run, T[f"{tag}.fresh"]))
        patch.setattr(Clusters, "decide", decide)
        trace = check(name, run, clusca(settings))
    assert np.flatnonzero(trace.all(axis=1)).tolist() == [run["steps"] - 1 - step for step in run["full_steps"]]


@pytest.mark.parametrize(("name", "run"), field.runs("clusca_dit"))
def test_clusca_finds_the_recorded_clusters(name, run):
    """From those of the first refresh, whose beginnings were drawn, the clusters of all others, token by token."""
    settings, T, tag = run["settings"], field.load(name)[0], run["tag"]
    clusters = T[f"{tag}.clusters"].long()  # [refreshes, images, tokens]
    member = torch.nn.functional.one_hot(clusters[0], settings["cluster_num"]).float()
    found, decided = [], Clusters.decide

    def decide(self, k, point, look):
        if k == 0:
            self.centres = member.transpose(1, 2) @ look.tokens / member.sum(dim=1).clamp(min=1).unsqueeze(-1)
        decided(self, k, point, look)
        if self.policy.full[k]:
            found.append(self.labels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clusters, "fresh", recorded_draws(run, T[f"{tag}.fresh"]))
        patch.setattr(Clusters, "decide", decide)
        field.replay(name, run, clusca(settings))
    assert torch.stack(found).equal(clusters)


def test_clusca_draws_one_token_of_every_cluster_anew_for_every_layer():
    policy = ClusterChoice(56, (True, False), 5, 0.0)
    clusters = Clusters(policy)
    clusters.labels = torch.randint(0, 4, (3, 64), generator=torch.Generator().manual_seed(0))  # the fifth is empty
    drawn = [clusters.fresh(1, index, None) for index in range(1, 56, 2)]
    for tokens in drawn:
        assert clusters.labels.gather(1, tokens[:, :4]).tolist() == [[0, 1, 2, 3]] * 3
        assert tokens[:, 4].tolist() == [0, 0, 0], "as published"
    assert len({tuple(tokens.flatten().tolist()) for tokens in drawn}) == 28
