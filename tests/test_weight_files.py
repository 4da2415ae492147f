"""Files and folders that are no weights, or not those that can be benchmarked: one line that says what they are."""

import json
import pickle
import zipfile

import numpy as np
import pytest
import small_models
import torch
from safetensors.torch import load_file, save_file
from tiny_suite import ditbench, write_plugin, write_suite

import methods
import models
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol
from bench.train.latents import open_latents
from models.checkpoint import load_into, sha256
from models.errors import InputError
from models.folders import belonging, digest, file_in

STATE = small_models.state(1)
KEY = "final_layer.linear.weight"


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    small_models.register(monkeypatch)


def refusal(path, name="tiny-dit"):
    with pytest.raises(InputError) as caught:
        models.build(name, weights=path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


VALUES = {
    "int8": (lambda v: (v * 100).to(torch.int8), "is int8, expected float16 or bfloat16"),
    "int64": (lambda v: v.long(), "is int64, expected"),
    "bool": (lambda v: v > 0, "is bool, expected"),
    "complex": (lambda v: v.to(torch.complex64), "is complex64, expected"),
    "float8_e4m3fn": (lambda v: v.to(torch.float8_e4m3fn), "is float8_e4m3fn, expected"),
    "float8_e5m2": (lambda v: v.to(torch.float8_e5m2), "is float8_e5m2, expected"),
    "sparse": (lambda v: v.to_sparse(), "is sparse (torch.sparse_coo), expected a plain tensor"),
    "compressed rows": (lambda v: v.to_sparse_csr(), "is sparse (torch.sparse_csr), expected a plain tensor"),
    "meta": (lambda v: v.to("meta"), "is on the meta device: it has a shape and no values"),
    "quantised": (lambda v: torch.quantize_per_tensor(v, 0.1, 0, torch.qint8), "is quantised, expected a plain tensor"),
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("name", ["tiny-dit", "tiny-uvit"])
def test_tensors_that_are_no_plain_numbers_are_refused(kind, name, tmp_path):
    change, message = VALUES[kind]
    state = small_models.state(1, models.spec(name))
    last = small_models.LAST[name]
    torch.save({"ema": state | {last: change(state[last])}}, tmp_path / "w.pt")
    assert f"w.pt: '{last}' {message}" in refusal(tmp_path / "w.pt", name)
    with pytest.raises(InputError):
        models.check_weights(name, tmp_path / "w.pt")


def test_half_and_double_precision_are_weights(tmp_path):
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        torch.save({key: value.to(dtype) for key, value in STATE.items()}, tmp_path / "w.pt")
        assert models.build("tiny-dit", weights=tmp_path / "w.pt").state_dict()[KEY].dtype == torch.float32


def test_counters_keep_their_own_type(tmp_path):
    norm = torch.nn.BatchNorm1d(3)
    torch.save(norm.state_dict(), tmp_path / "w.pt")
    load_into(torch.nn.BatchNorm1d(3), tmp_path / "w.pt")
    torch.save(norm.state_dict() | {"num_batches_tracked": torch.tensor(1.5)}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="'num_batches_tracked' is float32, expected int64"):
        load_into(torch.nn.BatchNorm1d(3), tmp_path / "w.pt")


def test_keys_that_are_no_names_are_refused(tmp_path):
    for content, message in (
        (STATE | {3: torch.zeros(1)}, "the key 3 is int, expected a name"),
        ({key.encode(): value for key, value in STATE.items()}, "is bytes, expected a name"),
        ({"ema": {("a", 1): torch.zeros(1)} | STATE}, "is tuple, expected a name"),
    ):
        torch.save(content, tmp_path / "w.pt")
        assert message in refusal(tmp_path / "w.pt")
    torch.save({"ema": STATE, "rng": {0: torch.zeros(3)}}, tmp_path / "w.pt")  # elsewhere they are nobody's business
    models.build("tiny-dit", weights=tmp_path / "w.pt")


def test_the_command_ends_with_one_line_and_code_2(tmp_path):
    plugin, suite = write_plugin(tmp_path), write_suite(tmp_path)
    ditbench("list", "models", "--plugin", plugin)  # writes its weights
    state = load_file(tmp_path / "tiny.safetensors")
    torch.save({key: value.to(torch.float8_e4m3fn) for key, value in state.items()}, tmp_path / "w.pt")
    done = ditbench("run", suite, "--plugin", plugin, "--weights", tmp_path / "w.pt", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is float8_e4m3fn, expected float16" in done.stderr


def test_what_was_taken_is_in_the_cell(tmp_path):
    plugin, suite = write_plugin(tmp_path), write_suite(tmp_path)
    ditbench("list", "models", "--plugin", plugin)
    state = load_file(tmp_path / "tiny.safetensors")
    torch.save({"model": {k: v * 0.9 for k, v in state.items()}, "model_ema": state}, tmp_path / "w.pt")
    options = ("--only", "ddim-3", "--weights", tmp_path / "w.pt", "--out", tmp_path / "out")
    done = ditbench("run", suite, "--plugin", plugin, *options)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path}/w.pt: weights taken: averaged ('model_ema')" in done.stderr
    (path,) = (tmp_path / "out").glob("cells/*/*.json")
    assert json.loads(path.read_text())["settings"]["weights_taken"] == "averaged ('model_ema')"


KINDS = {
    "a page": (b"\xef\xbb\xbf \n<!DOCTYPE html><html><head>", "it is an HTML page"),
    "a bare page": (b"<html>Sign in</html>", "it is an HTML page"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "it is a Git LFS pointer"),
    "another pointer": (b"/annex/objects/MD5-s9--0\n", "it is a git-annex pointer"),
    "an error": (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "it is an XML document"),
    "another error": (b'{"error": "Repository not found"}', "it is a JSON file"),
    "nothing": (b"", "it is an empty file"),
    "an archive": (b"\x1f\x8b\x08\x00" + bytes(20), "it is a gzip archive: unpack it"),
    "Keras": (b"\x89HDF\r\n\x1a\n" + bytes(20), "it is an HDF5 file"),
    "an array": (b"\x93NUMPY\x01\x00" + bytes(20), "it is a NumPy array"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".ckpt"])
def test_something_else_under_the_name_of_weights_says_what_it_is(kind, suffix, tmp_path):
    content, message = KINDS[kind]
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    assert message in refusal(path)
    router = tmp_path / f"r{suffix}"
    router.write_bytes(content)
    with pytest.raises(InputError, match=message.removeprefix("it is ")):
        methods.build("l2c", router=router)


def test_archives_that_torch_save_did_not_write_say_what_they_are(tmp_path):
    np.savez(tmp_path / "w.npz", a=np.zeros(3))
    (tmp_path / "w.npz").rename(tmp_path / "w.pt")
    assert "it is an npz of NumPy arrays" in refusal(tmp_path / "w.pt")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "w.pt")
    assert "it is a TorchScript archive: save the module's state_dict" in refusal(tmp_path / "w.pt")
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr("DiT/weights.pt", b"")
    assert "it is a zip archive: unpack it" in refusal(tmp_path / "w.pt")


def test_the_format_is_what_the_bytes_say(tmp_path):
    save_file(STATE, tmp_path / "w.pt")
    assert torch.equal(models.build("tiny-dit", weights=tmp_path / "w.pt").state_dict()[KEY], STATE[KEY])


def test_sharded_weights_are_one_file_s(tmp_path):
    keys = list(STATE)
    parts = {f"model-0000{n + 1}-of-00003.safetensors": {k: STATE[k] for k in keys[n::3]} for n in range(3)}
    for name, part in parts.items():
        save_file(part, tmp_path / name)
    table = {key: name for name, part in parts.items() for key in part}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": table}))
    for path in (tmp_path, index):
        assert all(torch.equal(v, STATE[k]) for k, v in models.build("tiny-dit", weights=path).state_dict().items())
    assert belonging(index) == [index, *(tmp_path / name for name in sorted(parts))]
    before, first = digest(index), tmp_path / "model-00001-of-00003.safetensors"
    cell = Cell("tiny-dit", Part("ddim", {"steps": 2}), None, Protocol())
    key = cell.key(Settings(weights=str(tmp_path)))
    save_file({k: v + 1 for k, v in parts[first.name].items()}, first)
    assert digest(index) != before != sha256(index)
    assert cell.key(Settings(weights=str(tmp_path))) != key
    assert f"one of 3 shards; give their folder, {tmp_path}" in refusal(first)
    save_file({keys[1]: STATE[keys[1]], **parts[first.name]}, first)
    assert f"'{keys[1]}' is there, and in another shard" in refusal(tmp_path)
    first.unlink()
    assert "its shard model-00001-of-00003.safetensors is not there" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"weight_map": {"a": "../../etc/passwd"}}', "'../../etc/passwd' is no file beside it"),
        ('{"weight_map": {"a": "x", "a": "y"}}', "'a' is there 2 times, expected once"),
        ("{}", "expected 'weight_map'"),
        ("[]", "expected a JSON object"),
        ("{", "not a JSON file"),
    ],
)
def test_an_index_is_data(content, message, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(content)
    assert message in refusal(tmp_path)


def test_variants_are_taken_where_there_is_one(tmp_path):
    save_file({k: v.half() for k, v in STATE.items()}, tmp_path / "diffusion_pytorch_model.fp16.safetensors")
    assert file_in(tmp_path).name == "diffusion_pytorch_model.fp16.safetensors"
    save_file({k: v.bfloat16() for k, v in STATE.items()}, tmp_path / "diffusion_pytorch_model.bf16.safetensors")
    message = "holds several files of weights (diffusion_pytorch_model.bf16.safetensors, diffusion_pytorch_model.fp16."
    assert message in refusal(tmp_path)
    save_file(STATE, tmp_path / "diffusion_pytorch_model.safetensors")
    assert file_in(tmp_path).name == "diffusion_pytorch_model.safetensors"


def test_the_averaged_folder_of_a_training_script_comes_first(tmp_path):
    for name, state in (("transformer", STATE), ("transformer_ema", small_models.state(2))):
        (tmp_path / name).mkdir()
        save_file(state, tmp_path / name / "diffusion_pytorch_model.safetensors")
    model = models.build("tiny-dit", weights=tmp_path)
    assert torch.equal(model.state_dict()[KEY], small_models.state(2)[KEY])
    assert model.weights_taken == "averaged ('transformer_ema')"


def test_accelerate_keeps_averages_beside_the_raw_weights(tmp_path):
    save_file(STATE, tmp_path / "model.safetensors")
    models.build("tiny-dit", weights=tmp_path)
    torch.save(
        {"decay": 0.9, "shadow_params": list(small_models.state(2).values())}, tmp_path / "custom_checkpoint_0.pkl"
    )
    assert "several files of weights (model.safetensors, custom_checkpoint_0.pkl); give the one" in refusal(tmp_path)
    loaded = models.build("tiny-dit", weights=tmp_path / "custom_checkpoint_0.pkl").state_dict()
    assert torch.equal(loaded[KEY], small_models.state(2)[KEY])


def test_folders_that_are_no_models_say_what_to_give(tmp_path):
    for steps in (50000, 500000):
        (tmp_path / f"ckpts/{steps}.ckpt").mkdir(parents=True)
        for name in ("nnet.pth", "nnet_ema.pth", "optimizer.pth"):
            torch.save({}, tmp_path / f"ckpts/{steps}.ckpt" / name)
    newest = tmp_path / "ckpts/500000.ckpt/nnet_ema.pth"
    for folder in (tmp_path, tmp_path / "ckpts", newest.parent):
        assert f"a folder of U-ViT's trainer; give {newest}, its averaged weights" in refusal(folder)
    other = tmp_path / "results"
    other.mkdir()
    for name in ("0050000.pt", "0100000.pt", "log.txt"):
        (other / name).write_bytes(b"")
    assert "also in transformer/; give one of 0050000.pt, 0100000.pt" in refusal(other)
    distributed = tmp_path / "dcp"
    (distributed / "pytorch_model_fsdp_0").mkdir(parents=True)
    (distributed / "pytorch_model_fsdp_0/.metadata").write_bytes(pickle.dumps({}))
    assert f"'python -m torch.distributed.checkpoint.format_utils dcp_to_torch {distributed}/pytorch" in refusal(
        distributed
    )
    (tmp_path / "deepspeed").mkdir()
    (tmp_path / "deepspeed/zero_to_fp32.py").write_text("")
    assert "a folder of DeepSpeed; 'python" in refusal(tmp_path / "deepspeed")


def test_latents_to_train_on_are_plain_numbers_too(tmp_path):
    latents = {"latents": torch.zeros(4, 4, 4, 4).to(torch.float8_e4m3fn), "labels": torch.zeros(4, dtype=torch.int64)}
    save_file(latents, tmp_path / "latents.safetensors")
    with pytest.raises(InputError, match=r"'latents' is torch\.float8_e4m3fn"):
        open_latents(tmp_path / "latents.safetensors", small_models.DIT_SPEC)
    (tmp_path / "latents.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match=r"not a safetensors file of latents \(a Git LFS pointer"):
        open_latents(tmp_path / "latents.safetensors", small_models.DIT_SPEC)
