"""An engine of a third party, as a plugin file: a deep copy of the denoiser, and a cache that holds branches.

`fault` makes it misbehave as real libraries do: hook nothing, or keep something from one trajectory to the next.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import plugins
from bench.engines import Engine

PLUGIN = '''
import copy
from bench.engines import Engine, EngineCache
from methods.method import Parameter
from models.dit import DiT

class Hold(EngineCache):
    """Every branch is computed at every `interval`-th call, and held in between."""
    name, title = "hold", "Hold"
    parameters = {
        "interval": Parameter(int, default=2, low=1),
        "fault": Parameter(str, default="", choices=("", "nothing", "leak", "unfit")),
    }
    off = {"interval": 1}
    tiny = {"interval": 3}

    def supports(self, model, sampler):
        return f"hold: not with {model.num_blocks} blocks" if self.fault == "unfit" else None

    def apply(self, network, evaluations):
        whole, kept, calls = network.branch, {}, [0] * network.num_branches
        def branch(index, h, c):
            if calls[index] % self.interval == 0:
                kept[index] = whole(index, h, c)
            calls[index] += 1
            return kept[index]
        def reset():
            if self.fault != "leak":
                kept.clear()
                calls[:] = [0] * len(calls)
        setattr(network, "no_such_branch" if self.fault == "nothing" else "branch", branch)
        return reset

class Echo(Engine):
    name = "echo"
    caches = (Hold,)

    def takes_not(self, model):
        return None if isinstance(model, DiT) else "echo: only a DiT"

    def network(self, model):
        return copy.deepcopy(model)

    def evaluate(self, network, x, t, y):
        return network(x, t, y)

    def branches(self, network):
        return [network.layer(index) for index in range(network.num_branches)]

class Off(Echo):
    """Another network than ours."""
    name = "off-by-a-percent"

    def evaluate(self, network, x, t, y):
        return network(x, t, y) * 1.01

class Absent(Echo):
    name = "absent"
    packages = {"no-such-package": "1.0"}

class Untested(Echo):
    name = "untested"
    packages = {"numpy": "0.1"}
'''


def write_engine(folder: Path) -> Path:
    path = folder / "echo_engine.py"
    path.write_text(PLUGIN)
    return path


def by_engine(engine: str, cache: str = "", steps: str = "4") -> str:
    """A [[cells]] table of the tiny model (tests/tiny_suite.py) run by an engine."""
    line = f"cache = {cache}\n" if cache else ""
    return f'[[cells]]\nmodels = "tiny"\nengine = "{engine}"\nsampler = {{ name = "ddim", steps = {steps} }}\n{line}'


def engines_in(path: Path) -> dict[str, Any]:
    """The engines of a plugin file, by name; they are registered nowhere."""
    found = vars(plugins.load_file(str(path))).values()
    return {e.name: e for e in found if isinstance(e, type) and issubclass(e, Engine) and e.name}
