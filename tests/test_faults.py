"""Faults that a method's author can make, in one run: each is one recorded status, the others finish, nothing stays."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from test_on import alive
from tiny_suite import cached, freshly, write_plugin, write_suite

FAULTS = '''

class Fault(Half):
    """Does `how` while it plans; what it starts writes its process id beside this file."""
    name = "fault"
    parameters = {"how": Parameter(str, required=True)}
    def plan(self, model, sampler):
        getattr(self, self.how)()
        return super().plan(model, sampler)
    def fork(self, away=False):
        pid = os.fork()
        if not pid:
            if away:
                os.setsid()
            time.sleep(600)
            os._exit(0)
        Path(__file__).with_name(f"started-{pid}").touch()
    def away(self):
        self.fork(away=True)
    def killed(self):  # leaves who holds its pipe
        self.away()
        os.kill(os.getpid(), signal.SIGKILL)
    def closed(self):
        os.closerange(3, 256)
        while True:
            time.sleep(0.1)
    def flood(self):
        for _ in range(400):
            print("x" * 100_000)
        raise RuntimeError("after the flood")
    def gone(self):
        os._exit(0)
    def thread(self):
        import threading
        threading.Thread(target=time.sleep, args=(600,)).start()
    def nan(self):
        raise FloatingPointError("not a number")


from methods.ddim import DDIM

class Narrow(DDIM):
    """Returns one channel of two."""
    name = "narrow"
    def sample(self, *args, **kwargs):
        return super().sample(*args, **kwargs)[:, :1]

class Double(DDIM):
    """Computes in float64 and returns float32."""
    name = "double"
    def sample(self, denoise, x, *rest):
        return super().sample(denoise, x.double(), *rest).float()

class Hollow(DDIM):
    """Returns what is no number."""
    name = "hollow"
    def sample(self, *args, **kwargs):
        return super().sample(*args, **kwargs) * float("nan")
'''
HOWS = ("fork", "away", "killed", "closed", "flood", "gone", "thread", "nan")
LIMIT = 15


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every fault."""
    folder = tmp_path_factory.mktemp("faults")
    plugin = write_plugin(folder)
    plugin.write_text(plugin.read_text() + FAULTS)
    named = ", ".join(f'{{ name = "{name}", steps = 4 }}' for name in ("narrow", "hollow", "double"))
    samplers = f'[[cells]]\nmodels = "tiny"\nsampler = [{named}]\n'
    text = cached(f'{{ name = "fault", how = {json.dumps(HOWS)} }}') + cached('{ name = "half" }') + samplers
    started = time.monotonic()
    done = freshly("run", write_suite(folder, text, timeout=LIMIT), "--plugin", plugin, "--out", folder / "out")
    (folder / "stderr").write_text(done.stderr)
    (folder / "seconds").write_text(str(time.monotonic() - started))
    assert done.returncode == 1, done.stderr
    return folder


def cells_of(run: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in run.glob("out/cells/*/*.json")}


OUTCOMES = {
    "ddim-4": ("ok", None),
    "ddim-3": ("ok", None),
    "ddim-4+half": ("ok", None),
    "ddim-4+fault-how-fork": ("ok", None),
    "ddim-4+fault-how-away": ("ok", None),
    "ddim-4+fault-how-thread": ("ok", None),
    "ddim-4+fault-how-killed": ("oom", "killed by SIGKILL"),
    "ddim-4+fault-how-closed": ("failed", "closed its pipe before it had a result"),
    "ddim-4+fault-how-flood": ("failed", "after the flood"),
    "ddim-4+fault-how-gone": ("failed", "ended with code 0 before it had a result"),
    "ddim-4+fault-how-nan": ("failed", "FloatingPointError: not a number"),
    "double-4": ("failed", "of torch.float64, expected"),
    "hollow-4": ("failed", "the samples hold NaN or infinity"),
    "narrow-4": ("failed", "expected [16, 2, 4, 4]"),
}


@pytest.mark.parametrize("slug", OUTCOMES)
def test_every_fault_is_one_recorded_status_with_its_reason(run: Path, slug: str) -> None:
    status, reason = OUTCOMES[slug]
    cell = cells_of(run)[slug]
    assert cell["status"] == status, cell["reason"]
    if reason is None:
        assert cell["reason"] is None
        assert cell["timing"]
    else:
        assert reason in cell["reason"]
        assert "\\n" not in cell["reason"]
        assert cell["timing"] is cell["quality"] is None


def test_there_are_no_other_cells_and_no_traceback(run: Path) -> None:
    assert cells_of(run).keys() == OUTCOMES.keys()
    assert "Traceback" not in (run / "stderr").read_text()
    assert (run / "out" / "report.html").exists()


def test_nothing_is_left_running(run: Path) -> None:
    started = [int(path.name.partition("-")[2]) for path in run.glob("started-*")]
    assert len(started) >= 2
    assert alive(started) == []


def test_logs_have_a_limit_and_keep_their_last_lines(run: Path) -> None:
    log = run / "out" / "logs" / "tiny" / "ddim-4+fault-how-flood.log"
    assert log.stat().st_size < 5_000_000
    assert "after the flood" in log.read_text()[-2000:]


def test_a_plugin_that_ends_its_process_fails_its_own_cells_only(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import os\nos._exit(0)\n")
    suite = write_suite(tmp_path, cached('{ name = "theirs" }'))
    done = freshly("run", suite, "--plugin", write_plugin(tmp_path), "--plugin", bad, "--out", tmp_path / "out")
    assert done.returncode == 1, done.stderr
    cells = cells_of(tmp_path)
    assert {slug: cell["status"] for slug, cell in cells.items()} == {
        "ddim-4": "ok",
        "ddim-3": "ok",
        "ddim-4+theirs": "failed",
    }
    reason = cells["ddim-4+theirs"]["reason"]
    assert "bad.py could not be loaded: the process that imported it ended with code 0" in reason
