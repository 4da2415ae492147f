"""`ditbench doctor`: one line a check, and exit code 1 where something is to be done first."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_engine import by_engine, write_engine
from tiny_suite import write_plugin, write_suite

from bench import plugins
from bench.cli import control_groups, health, machine_health, main
from bench.suite import file as suite

UNBUILT = """
from methods.ddim import DDIM
class Unbuilt(DDIM):
    name = "unbuilt"
    def __init__(self, **given):
        raise OSError("no licence")
"""


def test_a_machine_is_described_line_by_line(capsys) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[8:].split(":")[0] for line in lines] == ["versions", "packages", "other work", "device", "clocks"]
    assert all(line.split()[0] in ("ok", "warning") for line in lines)


def test_a_suite_that_has_what_it_needs(tmp_path: Path, capsys) -> None:
    words = [str(write_suite(tmp_path)), "--plugin", str(write_plugin(tmp_path)), "--out", str(tmp_path / "out")]
    assert main(["doctor", *words]) == 0
    said = capsys.readouterr().out
    assert "ok      weights of tiny: shipped" in said
    assert "warning references of tiny: tiny: has no autoencoder" in said
    assert "memory: " in said
    assert "ok      disk: " in said
    assert not (tmp_path / "out").exists()


def test_missing_weights_are_something_to_do(tmp_path: Path, capsys) -> None:
    plugin = write_plugin(tmp_path)
    words = [str(write_suite(tmp_path)), "--plugin", str(plugin), "--weights", str(tmp_path / "none.pt")]
    assert main(["doctor", *words]) == 1
    said = capsys.readouterr().out
    assert "todo    weights of tiny: " in said
    assert "warning references: looked for once the above is there" in said
    assert "memory: " in said, "of the structure alone"


def test_too_little_disk_and_work_of_others_are_named(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(health.shutil, "disk_usage", lambda place: health.shutil._ntuple_diskusage(10, 10, 0))
    monkeypatch.setattr(machine_health, "load", lambda: 99.0)
    monkeypatch.setattr(machine_health.torch, "__version__", "2.5.1")
    words = ["doctor", str(write_suite(tmp_path)), "--plugin", str(write_plugin(tmp_path)), "--out", str(tmp_path)]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "todo    versions: " in said
    assert "warning other work: load 99" in said
    assert "make room" in said


def test_an_engine_without_its_packages_is_named(tmp_path: Path, capsys) -> None:
    plugins = ["--plugin", str(write_plugin(tmp_path)), "--plugin", str(write_engine(tmp_path))]
    unfit = by_engine("echo", "[{ name = 'hold', interval = [2, 3] }]").replace('"tiny"', '"uvit-mnist"')
    suite = write_suite(tmp_path, by_engine("echo") + unfit + by_engine("absent") + by_engine("untested"))
    suite.write_text(suite.read_text().replace('reference = { name = "ddim", steps = 4 }', ""))
    assert main(["doctor", str(suite), *plugins, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "ok      engine echo: " in said
    assert "warning engine echo: unsupported: echo: only a DiT; cells: 2" in said
    assert "warning engine absent: no-such-package is not installed" in said
    assert "warning engine untested: numpy " in said


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_file_where_results_should_go_is_something_to_do(out: str, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").touch()
    words = [str(write_suite(tmp_path)), "--plugin", str(write_plugin(tmp_path)), "--out", str(tmp_path / out)]
    assert main(["doctor", *words]) == 1
    assert f"todo    disk: {tmp_path / out} cannot be written: " in capsys.readouterr().out


def test_an_unknown_suite_is_one_line(capsys) -> None:
    assert main(["doctor", "smok"]) == 2
    assert capsys.readouterr().err == "ditbench: unknown suite 'smok'; did you mean 'smoke'?\n"


def test_a_gpu_that_is_not_there_is_something_to_do_and_the_rest_is_said(tmp_path: Path, capsys) -> None:
    words = [str(write_suite(tmp_path)), "--plugin", str(write_plugin(tmp_path)), "--device", "cuda:77"]
    assert main(["doctor", *words]) == 1
    said = capsys.readouterr().out
    assert "todo    device: cuda:77: torch finds " in said
    assert "ok      weights of tiny: shipped" in said
    assert "memory: " in said


def test_a_name_that_is_no_device_is_one_line(capsys) -> None:
    assert main(["doctor", "--device", "toaster"]) == 2
    assert capsys.readouterr().err == "ditbench: --device must be cpu or cuda[:N], got 'toaster'\n"


def test_a_process_at_work_is_named(monkeypatch) -> None:
    looks = iter([{"7": ("other", 0), "8": ("idle", 5)}, {"7": ("other", 1000), "8": ("idle", 5), "9": ("new", 3)}])
    monkeypatch.setattr(machine_health, "ticks_of_processes", lambda: next(looks))
    monkeypatch.setattr(machine_health, "load", lambda: 0.0)
    found = machine_health.other_work()
    assert found.state == "warning"
    assert "at work now: other 7 (" in found.said
    assert "idle 8" not in found.said


@pytest.mark.parametrize(
    ("file", "text"), [("fs/cgroup/cpu.max", "50000 100000\n"), ("fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n")]
)
def test_a_quota_of_cores_is_said(file: str, text: str, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)
    (tmp_path / "fs/cgroup/cpu").mkdir(exist_ok=True)
    (tmp_path / "fs/cgroup/cpu/cpu.cfs_period_us").write_text("100000\n")
    monkeypatch.setattr(machine_health, "SYS", tmp_path)
    found = machine_health.cpu()
    assert (found.state, "of which a quota allows 0.5" in found.said) == ("warning", True)
    (tmp_path / file).write_text("max 100000\n" if "max" in file else "-1\n")
    assert machine_health.cpu().state == "ok"


def test_throttling_and_a_governor_that_saves_are_said(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(machine_health, "SYS", tmp_path)
    assert machine_health.clocks("cpu").state == "ok"
    core = tmp_path / "devices/system/cpu/cpu0"
    for file, text in {
        "cpufreq/scaling_governor": "powersave\n",
        "thermal_throttle/core_throttle_count": "0\n",
    }.items():
        (core / file).parent.mkdir(parents=True)
        (core / file).write_text(text)
    found = machine_health.clocks("cpu")
    assert (found.state, found.said.split(":")[0]) == ("warning", "governor powersave")
    (core / "thermal_throttle/core_throttle_count").write_text("3\n")
    assert "throttled 3 times" in machine_health.clocks("cpu").said


def test_packages_that_do_not_fit_are_something_to_do(monkeypatch) -> None:
    assert machine_health.packages().state == "ok"
    monkeypatch.setattr(machine_health, "needs", lambda: [machine_health.Requirement("numpy>=99")])
    found = machine_health.packages()
    assert found.state == "todo"
    assert "numpy>=99 (found " in found.said


@pytest.mark.parametrize(
    ("free", "state", "said"), [(1e8, "todo", "free some"), (7e8, "warning", "--jobs 1 instead of"), (1e12, "ok", "")]
)
def test_memory_is_held_against_what_all_workers_need(
    free: float, state: str, said: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(health, "available_memory", lambda: free)
    monkeypatch.setattr(health, "cores", lambda: 4)
    plugins.load([str(write_plugin(tmp_path))])
    found = health.memory(suite.load(str(write_suite(tmp_path))).cells)
    assert found.state == state
    assert said in found.said


def test_a_containers_limit_is_memory_that_can_be_had(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\n")
    (tmp_path / "fs/cgroup").mkdir(parents=True)
    monkeypatch.setattr(health, "PROC", tmp_path)
    monkeypatch.setattr(health, "SYS", tmp_path)
    assert health.available_memory() == 5000 * 1024
    for name, number in {"memory.max": "3000000\n", "memory.current": "1000000\n"}.items():
        (tmp_path / "fs/cgroup" / name).write_text(number)
    assert health.available_memory() == 2_000_000
    (tmp_path / "fs/cgroup/memory.max").write_text("max\n")
    assert health.available_memory() == 5000 * 1024


def test_a_method_that_cannot_be_built_is_something_to_do(tmp_path: Path, capsys) -> None:
    plugin = write_plugin(tmp_path)
    plugin.write_text(plugin.read_text() + UNBUILT)
    suite = tmp_path / "s.toml"
    suite.write_text('name = "s"\n[[cells]]\nmodels = "tiny"\nsampler = { name = "unbuilt", steps = [3, 4] }\n')
    assert main(["doctor", str(suite), "--plugin", str(plugin), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().out.splitlines()
    todo = [line for line in said if line.startswith("todo")]
    assert todo == ["todo    cells: unbuilt: OSError: no licence; cells: 2"]


# /proc/self/cgroup of a cluster's job, and where the limits of the job lie.
JOBS = {
    "version 1": ("5:memory:/slurm/uid_1/job_7/step_0\n3:cpu,cpuacct:/slurm/uid_1/job_7/step_0\n", "memory/", "cpu/",
                  ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")),
    "version 2": ("0::/slurm/uid_1/job_7/step_0\n", "", "", ("memory.max", "memory.current", "inactive_file")),
}  # fmt: skip


@pytest.mark.parametrize("job", JOBS)
def test_the_limits_of_a_clusters_job_are_found(job: str, tmp_path: Path, monkeypatch) -> None:
    """They are those of the groups that the process is in, not of the machine's; kept files are no memory in use."""
    said, memory, cpu, (limit, used, kept) = JOBS[job]
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text(said)
    group = "slurm/uid_1/job_7"
    for folder in (memory + group, cpu + group):
        (tmp_path / "fs/cgroup" / folder / "step_0").mkdir(parents=True, exist_ok=True)
    for name, text in {limit: "9000000", used: "5000000", "memory.stat": f"cache 1\n{kept} 3000000\n"}.items():
        (tmp_path / "fs/cgroup" / memory / group / name).write_text(text)
    quota = {"cpu.max": "150000 100000"} if not cpu else {"cpu.cfs_quota_us": "150000\n", "cpu.cfs_period_us": "100000"}
    for name, text in quota.items():
        (tmp_path / "fs/cgroup" / cpu / group / name).write_text(text)
    for place in (health, machine_health):
        monkeypatch.setattr(place, "PROC", tmp_path)
        monkeypatch.setattr(place, "SYS", tmp_path)
    assert health.available_memory() == 7_000_000
    assert machine_health.core_quota() == 1.5


@pytest.mark.parametrize("said", ["0::/../../elsewhere\n", "0::/\n", "nonsense\n", "x::/a\n1:memory,cpu:/b\n"])
def test_a_group_that_cannot_be_seen_limits_nothing(said: str, tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text(said)
    assert [*control_groups.memory_left(tmp_path, tmp_path / "sys")] == []
    assert [*control_groups.core_quotas(tmp_path, tmp_path / "sys")] == []
