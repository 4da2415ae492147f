"""Training by two processes that torchrun starts: the same as one process, also after both are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_training_models
import torch
from safetensors.torch import load_file, save_file

from bench.cli import main
from bench.train.run import save_weights
from methods.routing.file import read_router
from models.spec import build_random

PLUGIN = ["--plugin", tiny_training_models.__file__]
REPOSITORY = Path(__file__).parent.parent
DIT_ROUTER = ["train-router", "tiny-dit", *PLUGIN, "--steps", "4", "--iterations", "12", "--batch", "4", "--l1", "0.01"]
UVIT_ROUTER = ["train-router", "tiny-uvit", *PLUGIN, "--sampler", "dpm-solver++", "--variant", "uvit-singlestep"]
UVIT_ROUTER += ["--steps", "6", "--iterations", "40", "--batch", "4", "--l1", "0.5", "--threshold", "0.4"]


def torchrun(*command: str, pause: float = 0) -> subprocess.Popen:
    """Two processes on the CPU."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "bench"]
    settings = {"OMP_NUM_THREADS": "1", "TINY_TRAINING_PAUSE": str(pause), "PYTHONPATH": str(REPOSITORY / "tests")}
    return subprocess.Popen(
        [*launcher, *command],
        cwd=REPOSITORY,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> tuple[str, str]:
    out, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
    return out, error


def workers(launcher: subprocess.Popen) -> list[int]:
    """The processes that torchrun started, which are in sessions of their own."""
    listed = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text()
    return [int(pid) for pid in listed.split()]


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    """Weights of both models, and latents that the routers learn from."""
    for spec in tiny_training_models.specs:
        torch.manual_seed(1)
        model = build_random(spec)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        save_weights(model, tmp_path / f"{spec.name}.safetensors")
    latents = torch.randn(12, 3, 8, 8)
    save_file({"latents": latents.half(), "labels": torch.arange(12) % 3}, tmp_path / "latents.safetensors")
    return ["--data", str(tmp_path / "latents.safetensors")]


def router_command(command: list[str], data: list[str], out: Path) -> list[str]:
    weights = Path(data[1]).with_name(f"{command[1]}.safetensors")
    return [*command, *data, "--weights", str(weights), "--out", str(out)]


def difference(a: Path, b: Path) -> float:
    return float((read_router(a).scores - read_router(b).scores).nan_to_num().abs().max())


def test_two_processes_learn_the_router_that_one_learns_in_two_parts(tmp_path: Path, data: list[str]) -> None:
    both, one = tmp_path / "both.safetensors", tmp_path / "one.safetensors"
    plot = tmp_path / "router.png"
    out, error = finish(torchrun(*router_command(DIT_ROUTER, data, both), "--plot", str(plot)))
    assert out.count(str(both)) == error.count("ETA") == 1
    assert main([*router_command(DIT_ROUTER, data, one), "--accumulate", "2"]) == 0
    assert difference(both, one) < 1e-6
    card = read_router(both).card
    assert (card["processes"], card["images"], card["recipe"]["parts"]) == (2, 48, 2)
    assert card["device_seconds"] == pytest.approx(2 * card["seconds"], abs=0.11)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_both_are_killed_and_go_on_as_if_they_had_not_been(tmp_path: Path, data: list[str]) -> None:
    killed, whole = tmp_path / "killed.safetensors", tmp_path / "whole.safetensors"
    checkpoint = tmp_path / "killed.safetensors.checkpoint"
    command = router_command(UVIT_ROUTER, data, killed)
    running = torchrun(*command, "--save-every", "0", pause=0.03)
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.02)
    for pid in [*workers(running), running.pid]:
        os.kill(pid, signal.SIGKILL)
    running.communicate()
    step = torch.load(checkpoint, weights_only=True)["progress"]["step"]
    assert 0 < step < 40
    assert not killed.exists()
    assert main([*command, "--accumulate", "3", "--batch", "6"]) == 2  # another recipe
    _, error = finish(torchrun(*command))
    assert f"resumed {checkpoint} at step" in error
    assert main([*router_command(UVIT_ROUTER, data, whole), "--accumulate", "2"]) == 0
    assert difference(killed, whole) < 1e-6
    assert not checkpoint.exists()


def test_two_processes_train_a_denoiser_as_one_does_in_two_parts(tmp_path: Path, data: list[str]) -> None:
    command = ["train", "tiny-dit", *PLUGIN, *data, "--steps", "4", "--batch", "4", "--out"]
    finish(torchrun(*command, str(tmp_path / "both"), "--checkpointing"))
    assert main([*command, str(tmp_path / "one"), "--accumulate", "2"]) == 0
    weights = [load_file(tmp_path / name / "weights.safetensors") for name in ("both", "one")]
    start = build_random(tiny_training_models.tiny_dit).state_dict()
    for key, value in weights[0].items():
        torch.testing.assert_close(value.float(), weights[1][key].float(), rtol=0, atol=1e-6)
    assert any((weights[0][key].float() - start[key].half().float()).abs().max() > 1e-5 for key in start)
    card = json.loads((tmp_path / "both" / "card.json").read_text())
    assert (card["processes"], card["images"], card["recipe"]["parts"]) == (2, 16, 2)


REPLICA = """
from pathlib import Path
import torch
from bench.train.distributed import join

with join() as world:
    replica = world.replicate(torch.nn.Linear(4, 4))
    replica(torch.ones(2, 4)).sum().backward()
    del replica
print([file.read_text() for file in Path("/proc/self/task").glob("*/comm") if "gloo" in file.read_text()])
"""


def test_the_threads_of_a_group_end_with_it(tmp_path):
    """Threads that outlive the group may wait for the interpreter while it ends, and abort a finished training."""
    script = tmp_path / "replica.py"
    script.write_text(REPLICA)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(launcher, check=False, env=settings, capture_output=True, text=True, timeout=200)
    assert run.stdout.replace("\n", "") == "[][]", (run.stdout, run.stderr)  # two processes write without turns
