"""Workers elsewhere: submitit's jobs and Ray's tasks give the numbers of one process, also where a worker dies."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_offspring import started_in, write_busy_plugin
from test_on import alive, descendants, deterministic, heard, run_alone, wait_for
from tiny_suite import cached, command, ditbench, environment, write_plugin, write_suite

from bench.cli import main
from bench.measure.task import Task
from bench.run import executors
from bench.run.remote.equality import cell_difference, difference, signature
from bench.run.remote.fleet import Fleet, NotLaunched
from bench.run.remote.letters import Pulse
from bench.run.remote.order import Order
from bench.run.remote.orders import facts_of, facts_to_json, job_to_json
from bench.run.request import On, RunFacts
from bench.suite import file as suite_file
from bench.suite.cells import Settings
from models.errors import InputError

PACKAGES = {"slurm:2,cluster=local": "submitit", "slurm:4,cluster=local": "submitit", "ray:2": "ray"}
FEW = cached('[{ name = "half" }, { name = "fora", interval = 2 }]')
ONE_HANGS = FEW + cached('{ name = "misbehave", how = "sleep" }')
NOT_THAT = "*[!p]"  # all cells but the one whose name ends in sleep
EXTRA = os.pathsep.join(path for path in sys.path if path)  # where the optional packages are, wherever that is


def places(*texts: str) -> list[Any]:
    """Those whose package is not here are skipped."""
    found = {text: importlib.util.find_spec(PACKAGES[text]) for text in texts}
    marks = {
        text: pytest.mark.skipif(found[text] is None, reason=f"{PACKAGES[text]} is not installed") for text in texts
    }
    return [pytest.param(text, marks=marks[text]) for text in texts]


def start(*words: object, **variables: str) -> subprocess.Popen[str]:
    settings = environment() | {"PYTHONPATH": EXTRA, **variables}
    return subprocess.Popen(command(*words), env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(run: subprocess.Popen[str]) -> str:
    _, said = run.communicate(timeout=280)
    assert run.returncode == 0, said
    return said


def suite_in(folder: Path, cells: str = FEW) -> list[object]:
    suite = write_suite(folder, cells)
    suite.write_text(suite.read_text().replace("steps = [4, 3]", "steps = 4"))  # three cells are enough
    return ["run", suite, "--plugin", write_plugin(folder)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite on one worker of this machine."""
    return run_alone(tmp_path_factory.mktemp("alone"), suite_in)


@pytest.mark.parametrize("where", places(*PACKAGES))
def test_workers_of_a_cluster_give_the_numbers_of_one_process(alone: Path, where: str) -> None:
    out = alone / where.replace(":", "-")
    finish(start(*suite_in(alone), "--out", out, "--on", where))
    assert deterministic(out) == deterministic(alone / "out")
    assert not (out / "workers").exists()


def workers_of(out: Path) -> list[int]:
    """The processes that work for the run in this directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"bench.run.remote" in words and str(out).encode() in b" ".join(words) and words[0] != b"env":
            found.append(int(path.parent.name))
    return found


def open_orders(out: Path) -> list[Path]:
    """Orders that a worker has and has not answered."""
    return [path for path in out.rglob("*.order.json") if not Path(str(path).replace(".order.", ".answer.")).exists()]


RAYS_OWN = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")


def name_of(pid: int) -> str:
    """What a process calls itself."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0 ")
    except OSError:  # it has ended
        return ""


def shards(out: Path) -> dict[Path, tuple[int, int]]:
    """Every file of samples, and which writing of it this is."""
    found = {path: path.stat() for path in out.rglob("*.safetensors")}
    return {path: (seen.st_ino, seen.st_mtime_ns) for path, seen in found.items()}


def in_the_middle(out: Path) -> bool:
    """Whether a cell is done and another is at work."""
    return bool(list(out.rglob("cells/*/*.json")) and open_orders(out))


@pytest.mark.parametrize("where", places("slurm:2,cluster=local", "ray:2"))
def test_workers_that_are_killed_cost_their_work_and_no_number(alone: Path, where: str) -> None:
    out = alone / f"killed-{where[:3]}"
    run = start(*suite_in(alone), "--out", out, "--on", where)
    assert wait_for(lambda: in_the_middle(out), 200), run.poll()
    made, victims = shards(out), workers_of(out)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    assert victims
    said = finish(run)
    assert deterministic(out) == deterministic(alone / "out")
    assert made.items() <= shards(out).items(), "a shard was made twice"
    ended = [line.split()[1] for line in said.splitlines() if ": ok in " in line]
    assert sorted(ended) == sorted({*ended}), "a cell ended twice"
    assert len(ended) == len(list(out.rglob("cells/*/*.json")))
    assert not workers_of(out)


@pytest.mark.parametrize("where", places("slurm:2,cluster=local", "ray:2"))
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_driver_is_the_end_of_its_workers(alone: Path, where: str, sent: signal.Signals) -> None:
    folder = alone / f"{sent.name}-{where[:3]}"
    folder.mkdir()
    out, words = folder / "out", suite_in(folder, ONE_HANGS)
    (folder / "tiny.safetensors").write_bytes((alone / "tiny.safetensors").read_bytes())
    run = start(*words, "--out", out, "--on", where)
    assert wait_for(lambda: in_the_middle(out) and list(out.rglob("*sleep*.log")), 200), run.poll()
    made, started = shards(out), [run.pid, *descendants(run.pid), *workers_of(out)]
    if sent == signal.SIGKILL:  # two helpers of Ray seek their killed cluster for a minute before they give up
        started = [pid for pid in started if name_of(pid) not in RAYS_OWN]
    run.send_signal(sent)
    assert wait_for(lambda: not alive(started), 15), alive(started)
    assert not workers_of(out)
    _, said = run.communicate(timeout=5)
    assert run.returncode == (130 if sent == signal.SIGTERM else -signal.SIGKILL), said
    assert "Traceback" not in said
    again = ditbench(*words, "--out", out, "--only", NOT_THAT, "--on", "local:2")
    assert again.returncode == 0, again.stderr
    assert deterministic(out) == deterministic(alone / "out")
    assert made.items() <= shards(out).items(), "a shard was made twice"


def blocked(pid: int) -> int:
    """The signals that wait for a process, one bit each from SIGHUP on."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("SigBlk"))


@pytest.mark.parametrize("where", places("slurm:2,cluster=local"))
def test_what_a_plugin_starts_while_a_worker_imports_it_ends_with_the_worker(tmp_path: Path, where: str) -> None:
    words = [*suite_in(tmp_path), "--out", tmp_path / "out", "--only", "*ddim-4", "--on", where]
    write_busy_plugin(tmp_path)
    settings = environment() | {"PYTHONPATH": EXTRA}
    with (tmp_path / "said").open("w") as said:  # a pipe would be held by what is left
        done = subprocess.run(command(*words), stdout=said, stderr=said, env=settings, timeout=280, check=False)
    assert done.returncode == 0, (tmp_path / "said").read_text()
    started = started_in(tmp_path)
    assert len(started) > 6, "driver and workers import it"
    assert wait_for(lambda: not alive(started), 20), alive(started)


@pytest.mark.parametrize("where", places("slurm:2,cluster=local"))
def test_ctrl_c_in_the_terminal_is_answered_by_the_driver_alone(tmp_path: Path, where: str) -> None:
    words = command(*suite_in(tmp_path), "--out", tmp_path / "out", "--on", where)
    settings = environment() | {"PYTHONPATH": EXTRA}
    with heard(signal.SIGINT):
        run = subprocess.Popen(words, env=settings, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert wait_for(lambda: any("submitit.local" in name_of(pid) for pid in descendants(run.pid)), 200), run.poll()
    started = descendants(run.pid)
    jobs = [pid for pid in started if "submitit.local" in name_of(pid)]
    assert all(blocked(pid) & 1 << signal.SIGINT - 1 for pid in jobs), "they would print a traceback while they start"
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: all that is in its foreground hears of it
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert "Traceback" not in said
    assert wait_for(lambda: not alive(started), 20), alive(started)


@pytest.mark.parametrize("where", places("slurm:2,cluster=local"))
def test_a_worker_with_other_code_or_weights_refuses_in_one_line(
    tmp_path: Path, where: str, monkeypatch, capsys
) -> None:
    from bench.run.remote import fleet

    monkeypatch.setenv("PYTHONPATH", EXTRA)
    monkeypatch.setattr(fleet, "signature", lambda: {**signature(), "torch": "0.1"})
    words = ["--plugin", str(write_plugin(tmp_path)), "--out", str(tmp_path / "out"), "--on", where]
    assert main(["run", str(write_suite(tmp_path)), *words]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("ditbench: worker")
    assert "is not what the driver is: torch is" in said
    assert wait_for(lambda: not workers_of(tmp_path / "out"), 20)


THERE = 'import sys\nTHERE = "bench.run.remote" in sys.orig_argv  # whether this process is a worker\n'


@pytest.mark.parametrize("where", places("slurm:2,cluster=local"))
def test_a_worker_that_finds_other_weights_refuses_in_one_line(tmp_path: Path, where: str) -> None:
    plugin = write_plugin(tmp_path)
    text = plugin.read_text().replace("CONFIG =", f"{THERE}CONFIG =", 1)
    text = text.replace('"tiny.safetensors"', 'f"tiny-{THERE}.safetensors"').replace("seed(1)", "seed(int(THERE))")
    plugin.write_text(text)
    out = tmp_path / "out"
    run = start("run", write_suite(tmp_path), "--plugin", plugin, "--out", out, "--on", where)
    _, said = run.communicate(timeout=200)
    assert run.returncode == 2, said
    last = said.strip().splitlines()[-1]
    assert last.startswith("ditbench: a worker is not what the driver is: tiny/ddim-"), said
    assert "weights, a plugin or a router differs" in last
    assert "Traceback" not in said
    assert not list(out.rglob("cells/*/*.json"))
    assert not workers_of(out)


@pytest.mark.parametrize("where", places("slurm:2,cluster=local"))
def test_a_plugin_that_ends_its_process_costs_its_own_cells_alone(tmp_path: Path, where: str) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import os\nos._exit(0)\n")
    words = suite_in(tmp_path, cached('[{ name = "half" }, { name = "theirs" }]'))
    run = start(*words, "--plugin", bad, "--out", tmp_path / "out", "--on", where)
    _, said = run.communicate(timeout=200)
    assert run.returncode == 1, said
    cells = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("out/cells/*/*.json")}
    statuses = {slug: cell["status"] for slug, cell in cells.items()}
    assert statuses == {"ddim-4": "ok", "ddim-4+half": "ok", "ddim-4+theirs": "failed"}
    assert "the process that imported it ended with code 0" in cells["ddim-4+theirs"]["reason"]


def test_what_a_run_is_comes_through_json_unchanged() -> None:
    facts = RunFacts("a.toml", "0", {"timing": {"batch": 2}}, ("p.py",), Settings(), "out", {"bad.py": "it ended"})
    assert facts_of(json.loads(json.dumps(facts_to_json(facts)))) == facts


@pytest.mark.parametrize(
    ("name", "said"), [("files", "weights, a plugin or a router differs"), ("dtype", "dtype differs")]
)
def test_what_of_a_cell_differs_is_named(name: str, said: str) -> None:
    chosen = suite_file.load("smoke")
    cell, settings = chosen.cells[0], Settings()
    facts = RunFacts("smoke", chosen.sha256, {}, (), settings, "out")
    order = job_to_json(Task(cell, chosen.references.get(cell.model), settings, "out", ()))
    assert cell_difference(order, chosen, facts) is None
    order["cells"][0]["identity"][name] = "other"
    found = cell_difference(order, chosen, facts)
    assert found is not None
    assert found.startswith(f"{cell.model}/{cell.slug}: {said}: ")
    assert found.endswith(" there and other here")
    order["cells"][0]["slug"] = "ddim-3"
    assert cell_difference(order, chosen, facts) == f"the suite has no cell {cell.model}/ddim-3 there"


def test_what_differs_between_worker_and_driver_is_named() -> None:
    own = signature()
    assert difference(own, own) is None
    assert difference(own, {**own, "code": "0"}) == f"code is {own['code']} there and 0 here"


PRIVATE = """
import sys
import ray
ray.init(address="local", include_dashboard=False, num_cpus=1, log_to_driver=False)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""
JOINING = """
import ray
from bench.run.executors.ray import connect
connect(ray, None)
print(ray.get_runtime_context().gcs_address)
"""


@pytest.mark.parametrize("where", places("ray:2"))
def test_another_runs_own_cluster_is_not_joined(where: str) -> None:
    """It would end with that run, and take our workers along."""
    settings = environment() | {"PYTHONPATH": EXTRA}
    words, pipes = [sys.executable, "-c", PRIVATE], {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, env=settings, text=True, stderr=subprocess.DEVNULL, **pipes) as other:
        there = other.stdout.readline().strip()
        words = [sys.executable, "-c", JOINING]
        done = subprocess.run(words, env=settings, capture_output=True, text=True, check=True, timeout=200)
        other.communicate("")
    assert there
    assert done.stdout.strip() not in ("", there)


@pytest.mark.parametrize(("name", "package"), [("slurm", "submitit"), ("ray", "ray")])
def test_a_missing_package_is_one_line(tmp_path: Path, name: str, package: str, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    words = ["--plugin", str(write_plugin(tmp_path)), "--out", str(tmp_path / "out"), "--on", name]
    assert main(["run", str(write_suite(tmp_path)), *words]) == 2
    assert capsys.readouterr().err == f"ditbench: --on {name} needs {package}: pip install 'ditbench[{name}]'\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [("slurm:1,2", "expected one number"), ("slurm:1,queue=a", "unknown --on slurm: option 'queue'"),
     ("ray:2,adress=a", "did you mean 'address'"), ("slurm:1,time=soon,cluster=local", "time must be minutes")],
)  # fmt: skip
def test_options_that_an_executor_does_not_take_are_one_line(tmp_path: Path, words: str, said: str, capsys) -> None:
    if "time" in words:
        pytest.importorskip("submitit")
    arguments = ["--plugin", str(write_plugin(tmp_path)), "--out", str(tmp_path / "out"), "--on", words]
    assert main(["run", str(write_suite(tmp_path)), *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_what_a_suite_asks_of_slurm_yields_to_the_command_line(tmp_path: Path, monkeypatch) -> None:
    suite = write_suite(tmp_path)
    suite.write_text(suite.read_text() + '[slurm]\npartition = "gpu"\ntime = 90\n')
    asked: list[On] = []

    def opened(on: On, facts: RunFacts) -> None:
        asked.append(on)
        raise InputError("enough")

    monkeypatch.setattr(executors.find("slurm"), "opened", opened)
    words = ["--plugin", str(write_plugin(tmp_path)), "--out", str(tmp_path / "out")]
    for place in ("slurm:2,time=5,account=a", "slurm:2"):
        assert main(["run", str(suite), *words, "--on", place]) == 2
    both = {"partition": "gpu", "time": "5", "account": "a"}
    assert [on.options for on in asked] == [both, {"partition": "gpu", "time": "90"}]


def test_options_reach_submitit_by_its_names() -> None:
    on = On("slurm", (2,), {"partition": "gpu", "time": "5", "account": "a", "memory": "8GB"})
    facts = RunFacts("tiny.toml", "", {}, (), Settings(device="cuda"), "out")
    given = executors.find("slurm").parameters(on, facts, "slurm")
    assert (given["timeout_min"], given["gpus_per_node"]) == (5, 1)
    assert (given["slurm_partition"], given["slurm_account"], given["slurm_mem"]) == ("gpu", "a", "8GB")


def test_an_order_that_costs_worker_after_worker_is_a_failed_cell() -> None:
    order = Order(job=None)  # type: ignore[arg-type]
    for _ in range(2):
        order.lose({})
    order.reached = 0.5  # it got further meanwhile
    for _ in range(3):
        assert order.result is None
        order.lose({"torch": "2"})
    assert order.result["status"] == "failed"
    assert "its worker ended 3 times at it" in order.result["reason"]
    assert order.result["environment"] == {"torch": "2"}


def test_signs_of_life_are_by_change_and_not_by_the_clock(tmp_path: Path, monkeypatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("bench.run.remote.letters.time.monotonic", lambda: now[0])
    pulse = Pulse(tmp_path / "alive")
    (tmp_path / "alive").touch()
    os.utime(tmp_path / "alive", (5, 5))  # a clock that is years behind
    assert pulse.is_there()
    now[0] += 119
    assert pulse.is_there()
    now[0] += 2
    assert not pulse.is_there()
    os.utime(tmp_path / "alive", (4, 4))  # and that jumps
    assert pulse.is_there()


class Idle:
    """A launcher that has nothing to launch."""

    def launch(self, words: list[str]) -> object:
        raise AssertionError(words)

    def close(self) -> None:
        """Nothing is at work."""


def test_a_run_that_finds_nothing_to_do_leaves_no_folder_of_workers(tmp_path: Path) -> None:
    facts = RunFacts("tiny.toml", "", {}, (), Settings(), str(tmp_path))
    (tmp_path / "workers" / "submitit").mkdir(parents=True)  # as submitit makes it when it is opened
    Fleet(facts, Idle(), 2).close()  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


class Refusing:
    """A launcher whose first attempts are refused, all but those with the given numbers."""

    def __init__(self, *taken: int) -> None:
        self.taken, self.attempts = taken, 0

    def launch(self, words: list[str]) -> object:
        self.attempts += 1
        if self.attempts - 1 in self.taken:
            return SimpleNamespace(done=lambda: False, cancel=lambda: None)
        raise NotLaunched("no job could be submitted: invalid partition")

    def close(self) -> None:
        """Nothing is at work."""


def fleet_of(folder: Path, launcher: Refusing, count: int = 2) -> Fleet:
    facts = RunFacts("tiny.toml", "", {}, (), Settings(), str(folder))
    return Fleet(facts, launcher, count)  # type: ignore[arg-type]


def test_workers_that_cannot_be_launched_end_a_run_that_begins(tmp_path: Path) -> None:
    with pytest.raises(NotLaunched, match="invalid partition"):
        fleet_of(tmp_path, Refusing()).look()


def test_workers_that_cannot_be_launched_are_launched_later_beside_others(tmp_path: Path, monkeypatch) -> None:
    """A controller is away now and then; a run of days goes on, and only ends where nobody works for it any more."""
    launcher, now = Refusing(0, 3), [1000.0]
    fleet = fleet_of(tmp_path, launcher)
    monkeypatch.setattr("bench.run.remote.fleet.time.monotonic", lambda: now[0])
    fleet.seen = now[0]
    for seconds, hands in ((0, 1), (1, 1), (30, 1), (30, 2)):
        now[0] += seconds
        fleet.look()
        assert len(fleet.hands) == hands
    assert launcher.attempts == 4, "the first, and one every half minute"
    fleet.hands.clear()
    now[0] += 601
    with pytest.raises(NotLaunched, match="invalid partition"):
        fleet.look()


def test_a_job_that_sbatch_refuses_is_one_line(tmp_path: Path, capfd) -> None:
    utils = pytest.importorskip("submitit.core.utils")

    def submit(_: object) -> None:
        print("sbatch: error: invalid partition", file=sys.stderr)
        raise utils.FailedJobError("sbatch: error: invalid partition\nsbatch: error: Batch job submission failed")

    jobs = executors.find("slurm").Jobs(SimpleNamespace(submit=submit, cluster="slurm"))
    with pytest.raises(NotLaunched, match="no job could be submitted: sbatch: error: invalid partition sbatch: error"):
        jobs.launch(["true"])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999", "[::1]:1", f"{'x' * 99}:1"])
@pytest.mark.parametrize("stated", [True, False])
def test_where_no_ray_cluster_answers_is_said_at_once(address: str, stated: bool, tmp_path: Path, monkeypatch) -> None:
    """Ray tries for minutes; and a cluster of one's own is not what RAY_ADDRESS has asked for."""
    silent = SimpleNamespace(init=lambda **_: pytest.fail("it was asked to connect"))
    monkeypatch.setitem(sys.modules, "ray", silent)
    if not stated:
        monkeypatch.setenv("RAY_ADDRESS", address)
    facts = RunFacts("tiny.toml", "", {}, (), Settings(), str(tmp_path))
    with pytest.raises(InputError, match=r"--on ray: no cluster at .*: "):
        executors.find("ray").opened(On("ray", (2,), {"address": address} if stated else {}), facts)
