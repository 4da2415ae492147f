"""Timing sessions of whole runs: what fails is taken out, what was interrupted goes on, what is added is chained."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_resume import alive, descendants
from test_run import cells_in, wait_for
from tiny_suite import PLUGIN, cached, command, ditbench, environment, write_plugin, write_suite

from bench.measure.session import time_session
from bench.measure.task import SessionOrder, Task
from bench.schema.checksum import without
from bench.store.sessions import new_session, read_session, read_sessions, session_ratio, sound_sessions
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol, Timing
from models.errors import InputError

# Well-behaved until the run times: then there is a folder of sessions beside the plugin.
LATE = '''
class Late(Misbehave):
    """Fails in the way that `how` says, while it is timed."""
    name = "late"
    def plan(self, model, sampler):
        sessions = Path(__file__).parent / "out" / "sessions"
        return super().plan(model, sampler) if sessions.is_dir() else Half.plan(self, model, sampler)
'''


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which settings fail only while they are timed."""
    folder = tmp_path_factory.mktemp("late")
    (folder / "late.py").write_text(PLUGIN + LATE)
    ways = '["raise", "exit", "crash", "memory", "sleep"]'
    suite = write_suite(folder, cached('{ name = "half" }') + cached(f'{{ name = "late", how = {ways} }}'), timeout=15)
    done = ditbench("run", suite, "--plugin", folder / "late.py", "--out", folder / "out", "--jobs", 2)
    assert done.returncode == 1, done.stderr
    (folder / "stderr").write_text(done.stderr)
    return folder


OUTCOMES = {
    "raise": ("failed", "RuntimeError: a deliberate failure"),
    "exit": ("failed", "SystemExit: 3"),
    "crash": ("failed", "SIGSEGV"),
    "memory": ("oom", "no more"),
    "sleep": ("timeout", "stopped after 15 s"),
}


@pytest.mark.parametrize("how", OUTCOMES)
def test_a_setting_that_fails_while_it_is_timed_is_recorded_and_has_no_number(late: Path, how: str) -> None:
    status, reason = OUTCOMES[how]
    cell = cells_in(late / "out")[f"ddim-4+late-how-{how}"]
    assert cell["status"] == status
    assert reason in cell["reason"]
    assert all(cell[part] is None for part in ("plan", "work", "timing", "memory", "quality"))
    assert f"{status} while it was timed: " in (late / "stderr").read_text()


def test_the_session_goes_on_with_the_others(late: Path) -> None:
    cells = cells_in(late / "out")
    ok = [cell for cell in cells.values() if cell["status"] == "ok"]
    assert sorted(cell["slug"] for cell in ok) == ["ddim-3", "ddim-4", "ddim-4+half"]
    assert len({cell["timing"]["session"] for cell in ok}) == 1
    for cell in ok:
        assert cell["timing"]["processes"] == 2
        assert cell["timing"]["prepare_s"] >= 0
    session = next(s for s in read_sessions(late / "out") if s.id == ok[0]["timing"]["session"])
    done = [process.done for process in session.timed_processes]
    assert sum(done) == 2
    assert {how: session.removed[f"ddim-4+late-how-{how}"]["status"] for how in OUTCOMES} == {
        how: status for how, (status, _) in OUTCOMES.items()
    }


def test_what_runs_out_of_memory_beside_others_is_tried_beside_its_baseline_alone(late: Path) -> None:
    alone = [s for s in read_sessions(late / "out") if s.members.keys() == {"ddim-4", "ddim-4+late-how-memory"}]
    (session,) = alone
    assert session.removed["ddim-4+late-how-memory"]["status"] == "oom"


def test_any_two_settings_have_a_ratio(late: Path) -> None:
    (session,) = [s for s in read_sessions(late / "out") if "ddim-3" in s.settings]
    there, back = session.ratio("ddim-4", "ddim-4+half"), session.ratio("ddim-4+half", "ddim-4")
    assert there["median"] == pytest.approx(1 / back["median"])
    assert there["low"] == pytest.approx(1 / back["high"])
    assert there == pytest.approx(cells_in(late / "out")["ddim-4+half"]["timing"]["speedup"])
    assert session.times().shape == (len(session.rounds), 3)
    with pytest.raises(KeyError, match="ddim-9"):
        session.ratio("ddim-4", "ddim-9")


def test_settings_take_turns_in_orders_of_their_own(late: Path) -> None:
    (session,) = [s for s in read_sessions(late / "out") if "ddim-3" in s.settings]
    seeds = [process["seed"] for process in session.content["processes"]]
    assert len({tuple(seed) for seed in seeds}) == len(seeds), "each process draws anew"
    for record in session.rounds:
        assert sorted(record["order"]) == sorted(record["wall_ns"])
        assert {"ddim-4", "ddim-4 again"} <= set(record["order"])
        assert "ddim-3 again" not in record["order"], "only what others are compared with runs twice"


FATAL = '''
class Fatal(DiT):
    """Ends the process that times, before any setting has begun, while there is a file of that name."""
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        here = Path(__file__).parent
        if (here / "fatal").exists() and (here / "out" / "sessions").is_dir() and multiprocessing.parent_process():
            os.kill(os.getpid(), signal.SIGSEGV)

'''


def test_a_process_that_ends_before_its_first_setting_fails_all_cells_of_its_model(tmp_path: Path) -> None:
    text = PLUGIN.replace("architecture=DiT", "architecture=Fatal").replace("import os,", "import multiprocessing, os,")
    (tmp_path / "fatal.py").write_text(text.replace("CONFIG =", f"{FATAL}CONFIG =", 1))
    (tmp_path / "fatal").touch()
    suite = write_suite(tmp_path, cached('{ name = "half" }'))
    words = ("run", suite, "--plugin", tmp_path / "fatal.py", "--out", tmp_path / "out")
    done = ditbench(*words)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    why = "the process was killed by SIGSEGV"
    assert done.stderr.count(f"failed while it was timed: {why}") == 3
    cells = cells_in(tmp_path / "out")
    assert {slug: (cell["status"], cell["reason"]) for slug, cell in cells.items()} == dict.fromkeys(
        ["ddim-3", "ddim-4", "ddim-4+half"], ("failed", why)
    )
    assert all(cell["timing"] is None for cell in cells.values())
    (session,) = read_sessions(tmp_path / "out")
    assert not session.rounds
    assert not session.removed, "no setting is to blame"
    (tmp_path / "fatal").unlink()
    again = ditbench(*words, "--retry", "failed")
    assert again.returncode == 0, again.stderr
    assert all(cell["timing"]["latency_ms"]["median"] > 0 for cell in cells_in(tmp_path / "out").values())


LONG = """
name = "long"
reference = { name = "ddim", steps = 4 }
protocol = { samples = 32, sampling_batch = 16, timing = { batch = 2, rounds = 100000, seconds = 2.0 } }
[[cells]]
models = "tiny"
sampler = { name = "ddim", steps = [4, 3] }
"""


def test_a_killed_session_keeps_its_rounds_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "long.toml").write_text(LONG)
    out = tmp_path / "out"
    arguments = ("run", tmp_path / "long.toml", "--plugin", write_plugin(tmp_path), "--out", out)
    process = subprocess.Popen(command(*arguments), stderr=subprocess.DEVNULL, env=environment())
    wait_for(lambda: [s for s in read_sessions(out) if s.rounds])
    children = descendants(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not any(alive(pid) for pid in children))
    (before,) = read_sessions(out)
    assert all(cell["timing"] is None for cell in cells_in(out).values()), "all but their times is there"
    finished = {slug: cell["finished"] for slug, cell in cells_in(out).items()}
    done = ditbench(*arguments)
    assert done.returncode == 0, done.stderr
    assert "2 cells, 0 done, 2 to run" in done.stderr
    (after,) = read_sessions(out)
    assert after.rounds[: len(before.rounds)] == before.rounds
    assert len(after.rounds) > len(before.rounds)
    assert {slug: cell["finished"] for slug, cell in cells_in(out).items()} == finished, "nothing is sampled twice"
    assert all(cell["timing"]["latency_ms"]["median"] > 0 for cell in cells_in(out).values())
    assert "2 done, 0 to run" in ditbench(*arguments).stderr


def test_added_cells_are_timed_beside_the_reference_and_chained_by_it(tmp_path: Path) -> None:
    plugin, out = write_plugin(tmp_path), tmp_path / "out"
    assert ditbench("run", write_suite(tmp_path), "--plugin", plugin, "--out", out).returncode == 0
    before = cells_in(out)
    (first,) = read_sessions(out)
    more = write_suite(tmp_path, cached('{ name = "half" }'))
    assert "1 to run" in ditbench("run", more, "--plugin", plugin, "--out", out).stderr
    after = cells_in(out)
    assert {slug: after[slug] for slug in before} == before
    (second,) = [s for s in read_sessions(out) if s.id != first.id]
    assert set(second.settings) == {"ddim-4", "ddim-4+half"}
    found = session_ratio(first, "ddim-3", second, "ddim-4+half")
    steps = first.ratio("ddim-3", "ddim-4"), second.ratio("ddim-4", "ddim-4+half")
    assert found["median"] == pytest.approx(steps[0]["median"] * steps[1]["median"])
    assert found["low"] < found["median"] < found["high"]
    assert session_ratio(first, "ddim-3", first, "ddim-4") == first.ratio("ddim-3", "ddim-4")


def test_cells_that_are_retried_are_timed_anew(tmp_path: Path) -> None:
    plugin, suite, out = write_plugin(tmp_path), write_suite(tmp_path), tmp_path / "out"
    options = ("--plugin", plugin, "--out", out)
    assert ditbench("run", suite, *options).returncode == 0
    before = cells_in(out)
    assert "1 to run" in ditbench("run", suite, *options, "--retry", "ok", "--only", "ddim-3").stderr
    after = cells_in(out)
    assert after["ddim-4"] == before["ddim-4"]
    assert after["ddim-3"]["timing"]["session"] != before["ddim-3"]["timing"]["session"]


RULES = Protocol(samples=0, timing=Timing(batch=1, rounds=4, seconds=0.0))


class Silent:
    def __init__(self):
        self.begun = []

    def phase(self, name, fraction):
        pass

    def begins(self, slug):
        self.begun.append(slug)


def made(folder: Path) -> SessionOrder:
    """A session of two uncached samplers of a shipped model, not begun."""
    reference, other = (Cell("dit-mnist", Part("ddim", {"steps": steps}), None, RULES) for steps in (2, 1))
    cells = {cell.slug: cell for cell in (reference, other)}
    session = new_session(
        folder, dict.fromkeys(cells, "key"), model="dit-mnist", batch=1, protocol="4", reference="ddim-2",
        repeated=["ddim-2"], machine={},
    )  # fmt: skip
    session.write()
    tasks = tuple(Task(cell, reference, Settings(), ".", ()) for cell in cells.values())
    work = {slug: {"macs": 1.0, "macs_baseline": 1.0, "macs_ratio": 1.0} for slug in cells}
    return SessionOrder(str(session.path), tasks, work)


def test_rounds_of_a_broken_process_are_taken_from_its_successor_s_share(tmp_path: Path) -> None:
    order = made(tmp_path)
    assert time_session(order, Silent())["timings"] is None
    session = read_session(Path(order.path))
    assert [r["process"] for r in session.rounds] == [0, 0]
    del session.content["processes"][0]["done"]
    del session.rounds[1:]
    session.write()
    assert time_session(order, Silent())["timings"] is None
    timings = time_session(order, Silent())["timings"]
    session = read_session(Path(order.path))
    assert session.processes == [0, 1, 1, 2, 2], "at least two rounds each, the suite's fewest"
    assert timings["ddim-1"]["processes"] == 3
    assert len(timings["ddim-1"]["rounds"]) == 5


def test_a_session_that_is_finished_only_tells(tmp_path: Path) -> None:
    order = made(tmp_path)
    time_session(order, Silent())
    timings = time_session(order, Silent())["timings"]
    before = Path(order.path).read_bytes()
    reporter = Silent()
    assert time_session(order, reporter)["timings"] == timings
    assert Path(order.path).read_bytes() == before
    assert reporter.begun[-2:] == [None, None], "it is heard of while many rounds are worked out, a time for each cell"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 9}, "schema is 9"),
        ({"rounds": {}}, "rounds must be a list"),
        ({"rounds": [{"process": 3, "wall_ns": {}}]}, "a process and positive times"),
        ({"processes": [{}], "rounds": [{"process": 0, "wall_ns": {"a": -1}}]}, "a process and positive times"),
    ],
)
def test_a_damaged_session_is_one_line(tmp_path: Path, change: dict, words: str) -> None:
    order = made(tmp_path)
    path = Path(order.path)
    path.write_text(json.dumps(without(json.loads(path.read_text())) | change))
    with pytest.raises(InputError, match=words) as caught:
        read_session(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_damaged_session_is_set_aside_with_one_line_and_the_others_are_read(tmp_path: Path, capsys: Any) -> None:
    path = Path(made(tmp_path).path)
    sound, damaged = path.read_text(), path.with_name("tiny-000000000000.json")
    damaged.write_text(sound[:-20])
    assert [session.path for session in sound_sessions(tmp_path)] == [path]
    assert damaged.with_name(f"{damaged.name}.damaged").read_text() == sound[:-20]
    assert not damaged.exists()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ditbench: {damaged}: not a readable JSON file")
    assert line.endswith("kept as tiny-000000000000.json.damaged")
    assert [session.path for session in sound_sessions(tmp_path)] == [path]
