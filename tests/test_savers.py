"""Files that the trainers' own savers write, by the real packages: each is loaded, averaged weights first, or named.

The packages are optional; test_averaged_weights.py has the same layouts built by hand.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
import small_models
import torch

import models
from models.dit import DiT
from models.errors import InputError

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    small_models.register(monkeypatch)


@pytest.fixture
def net():
    made = DiT(**small_models.DIT_SPEC.config)
    made.load_state_dict(small_models.state(1))
    return made


def move(net):
    """A training step, as far as averages are concerned."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 if parameter.requires_grad else 0.0


def expect(path, state, taken):
    model = models.build("tiny-dit", weights=path)
    found = model.state_dict()
    assert all(torch.equal(found[key], state[key]) for key in found)
    assert model.weights_taken == taken


def test_timm(net, tmp_path, monkeypatch):
    timm = pytest.importorskip("timm.utils")
    monkeypatch.chdir(tmp_path)
    ema = timm.ModelEmaV3(net, decay=0.9)
    move(net)
    ema.update(net)
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=1.0)
    args = argparse.Namespace(model="dit")
    saver = timm.CheckpointSaver(net, optimizer, args, model_ema=ema, checkpoint_dir=".", recovery_dir=".")
    saver.save_checkpoint(0, 1.0)
    expect(tmp_path / "last.pth.tar", ema.module.state_dict(), "averaged ('state_dict_ema')")


def test_ema_pytorch(net, tmp_path):
    EMA = pytest.importorskip("ema_pytorch").EMA
    ema = EMA(net, beta=0.9, update_every=1, update_after_step=0)
    for _ in range(3):
        move(net)
        ema.update()
    averaged = {k: v.clone() for k, v in ema.ema_model.state_dict().items()}
    torch.save(ema.state_dict(), tmp_path / "alone.pt")
    torch.save({"model": net.state_dict(), "ema": ema.state_dict()}, tmp_path / "both.pt")
    expect(tmp_path / "alone.pt", averaged, "averaged ('ema_model')")
    expect(tmp_path / "both.pt", averaged, "averaged ('ema.ema_model')")


def averages_in_a_list(ema, net, update, path):
    """Saved beside the raw weights and alone; the average is what its library copies into a model."""
    for _ in range(3):
        move(net)
        update()
    raw = {k: v.clone() for k, v in net.state_dict().items()}
    torch.save({"model": raw, "ema": ema.state_dict()}, path / "both.pt")
    torch.save(ema.state_dict(), path / "alone.pt")
    ema.copy_to(net.parameters())
    assert not torch.equal(raw["x_embedder.proj.bias"], net.state_dict()["x_embedder.proj.bias"])
    expect(path / "both.pt", net.state_dict(), "averaged ('ema.shadow_params')")
    expect(path / "alone.pt", net.state_dict(), "averaged ('shadow_params')")


def test_torch_ema(net, tmp_path):
    torch_ema = pytest.importorskip("torch_ema")
    ema = torch_ema.ExponentialMovingAverage(net.parameters(), decay=0.9)
    averages_in_a_list(ema, net, ema.update, tmp_path)


def test_diffusers_ema_model(net, tmp_path):
    training = pytest.importorskip("diffusers.training_utils")
    ema = training.EMAModel(net.parameters(), decay=0.9)
    averages_in_a_list(ema, net, lambda: ema.step(net.parameters()), tmp_path)


def test_torchs_averaged_model(net, tmp_path):
    averaged = torch.optim.swa_utils.AveragedModel(net)
    for _ in range(2):
        move(net)
        averaged.update_parameters(net)
    torch.save(averaged.state_dict(), tmp_path / "alone.pt")
    torch.save({"model": net.state_dict(), "swa": averaged.state_dict()}, tmp_path / "both.pt")
    expect(tmp_path / "alone.pt", averaged.module.state_dict(), "averaged ('outermost')")
    expect(tmp_path / "both.pt", averaged.module.state_dict(), "averaged ('swa')")


def test_torch_compile(net, tmp_path):
    torch.save(torch.compile(net).state_dict(), tmp_path / "w.pt")
    expect(tmp_path / "w.pt", net.state_dict(), "")


def test_lightning(net, tmp_path):
    lightning = pytest.importorskip("lightning")
    callbacks = pytest.importorskip("lightning.pytorch.callbacks")

    class Lit(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = net

        def training_step(self, batch, index):
            return sum(p.square().sum() for p in self.net.parameters() if p.requires_grad)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.01)

    def train(name, *extra):
        checkpoint = callbacks.ModelCheckpoint(tmp_path, filename=name, every_n_train_steps=3)
        quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
        trainer = lightning.Trainer(max_steps=3, accelerator="cpu", callbacks=[checkpoint, *extra], **quiet)
        trainer.fit(Lit(), torch.utils.data.DataLoader(range(3)))
        stored = torch.load(tmp_path / f"{name}.ckpt", weights_only=False)
        return stored, {key.removeprefix("net."): value for key, value in stored["state_dict"].items()}

    _, raw = train("plain")
    expect(tmp_path / "plain.ckpt", raw, "raw ('state_dict.net')")
    if not hasattr(callbacks, "EMAWeightAveraging"):
        return
    stored, averaged = train("average", callbacks.EMAWeightAveraging(decay=0.5))
    assert not torch.equal(averaged["x_embedder.proj.bias"], stored["current_model_state"]["net.x_embedder.proj.bias"])
    expect(tmp_path / "average.ckpt", averaged, "averaged ('state_dict.net')")


def test_accelerate(net, tmp_path):
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    prepared = accelerator.prepare(net)
    for name, safe in (("safetensors", True), ("torch", False)):
        accelerator.save_state(tmp_path / name, safe_serialization=safe)
        expect(tmp_path / name, net.state_dict(), "")
    accelerator.save_model(prepared, tmp_path / "shards", max_shard_size="50KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    expect(tmp_path / "shards", net.state_dict(), "")
    EMAModel = pytest.importorskip("diffusers.training_utils").EMAModel
    accelerator.register_for_checkpointing(EMAModel(net.parameters()))
    accelerator.save_state(tmp_path / "registered")
    with pytest.raises(InputError, match=r"model\.safetensors, custom_checkpoint_0\.pkl"):
        models.build("tiny-dit", weights=tmp_path / "registered")
    expect(tmp_path / "registered/custom_checkpoint_0.pkl", net.state_dict(), "averaged ('shadow_params')")


def test_distributed_checkpoint(net, tmp_path):
    dcp = pytest.importorskip("torch.distributed.checkpoint")
    dcp.save({"model": net.state_dict()}, checkpoint_id=tmp_path / "dcp")
    with pytest.raises(InputError, match=r"'python -m (.*) makes one file of it") as caught:
        models.build("tiny-dit", weights=tmp_path / "dcp")
    command = str(caught.value).partition("'python ")[2].partition("'")[0].split()
    assert command[-1] == "weights.pt"
    subprocess.run([sys.executable, *command], cwd=tmp_path, check=True, capture_output=True)
    expect(tmp_path / "weights.pt", net.state_dict(), "raw ('model')")


SHARDED = """
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
dist.init_process_group("gloo", store=dist.FileStore(sys.argv[1] + ".store", 1), rank=0, world_size=1)
net = DiT(**small_models.DIT_SPEC.config)
fully_shard(net, mesh=init_device_mesh("cpu", (1,)))
torch.save({"ema": net.state_dict()}, sys.argv[1])
dist.destroy_process_group()
"""
QUANTISED = """
from torchao.quantization import Int8WeightOnlyConfig, quantize_
net = DiT(**small_models.DIT_SPEC.config)
quantize_(net, Int8WeightOnlyConfig())
torch.save(net.state_dict(), sys.argv[1])
"""
BEGIN = "import sys, pytest, torch, models, small_models\nfrom models.dit import DiT\n"
LOAD = """
with pytest.MonkeyPatch.context() as patch:
    small_models.register(patch)
    try:
        models.build("tiny-dit", weights=sys.argv[1])
    except models.InputError as error:
        print(error)
"""


def refusals(write, path):
    """What is said by a process that knows the tensors' class, which torch then reads, and by one that does not."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])}
    for code in (BEGIN + write + LOAD, BEGIN + LOAD):
        command = [sys.executable, "-W", "ignore", "-c", code, str(path)]
        yield subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def test_fsdp2_shards_are_named(tmp_path):
    fsdp = pytest.importorskip("torch.distributed.fsdp")
    if not hasattr(fsdp, "fully_shard"):
        pytest.skip("this torch has no fully_shard")
    for said in refusals(SHARDED, tmp_path / "w.pt"):
        assert said.count("\n") == 0
        assert "torch.distributed.tensor.DTensor" in said
        assert "sharded: save full tensors (tensor.full_tensor()" in said


def test_torchaos_tensors_are_named(tmp_path):
    pytest.importorskip("torchao")
    for said in refusals(QUANTISED, tmp_path / "w.pt"):
        assert said.count("\n") == 0
        assert "torchao." in said
        assert "quantised: save the weights before quantize_" in said
