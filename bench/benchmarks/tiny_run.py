"""A tiny model, and a suite whose cells take a second each, as files for a run to be broken: shards, and a session."""

from __future__ import annotations

from pathlib import Path

# A plugin's text: a model with weights that are written beside it, and a method.
MODEL = '''
import os, signal, time
from pathlib import Path
import torch
from safetensors.torch import save
from methods.method import CacheMethod, Parameter
from methods.plan import Plan, Span
from models.dit import DiT
from models.spec import ModelSpec, build_random

CONFIG = dict(input_size=4, patch_size=2, in_channels=2, hidden_size=16, depth=4, num_heads=2, num_classes=3)
WEIGHTS = Path(__file__).with_name("tiny.safetensors")
spec = ModelSpec(name="tiny", architecture=DiT, config=CONFIG, num_classes=3, weights=WEIGHTS)
if not WEIGHTS.exists():
    generator = torch.Generator().manual_seed(1)
    state = {k: torch.randn(v.shape, generator=generator) * 0.1 for k, v in build_random(spec).state_dict().items()}
    partial = WEIGHTS.with_suffix(f".{os.getpid()}")
    partial.write_bytes(save(state))
    os.replace(partial, WEIGHTS)

class Half(CacheMethod):
    """Reuse everything at every second evaluation."""
    name = "half"
    parameters = {}
    tiny = {}
    def plan(self, model, sampler):
        count = len(sampler.evaluations(model.noise_schedule))
        return Plan(model.num_branches, tuple((Span(0, model.num_branches),) if k % 2 else () for k in range(count)))
'''
METHODS = '''
from methods.ddim import DDIM

class Leaves(Half):
    """Starts a process in a session of its own that does not end by itself."""
    name = "leaves"
    def plan(self, model, sampler):
        if not os.fork():
            os.setsid()
            time.sleep(600)
            os._exit(0)
        return super().plan(model, sampler)

class Slow(DDIM):
    """Takes its time."""
    name = "slow"
    def sample(self, *args, **kwargs):
        time.sleep(0.2)
        return super().sample(*args, **kwargs)
'''
PLUGIN = MODEL + METHODS

SUITE = """
name = "tiny"
title = "Tiny"
reference = { name = "ddim", steps = 4 }
[protocol]
samples = 1536        # three shards
sampling_batch = 256
timeout = 200
[protocol.timing]
batch = 2
rounds = 3
seconds = 0.01
[[cells]]
models = "tiny"
sampler = [{ name = "ddim", steps = 4 }, { name = "slow", steps = 4 }]
[[cells]]
models = "tiny"
sampler = { name = "ddim", steps = 4 }
cache = [{ name = "leaves" }, { name = "fora", interval = 2 }]
"""


def write_tiny_run(folder: Path) -> list[str]:
    """The files, in an existing folder; returns the words of a command that runs them, without where to."""
    plugin, suite = folder / "tiny_plugin.py", folder / "tiny.toml"
    plugin.write_text(PLUGIN)
    suite.write_text(SUITE)
    return ["run", str(suite), "--plugin", str(plugin)]
