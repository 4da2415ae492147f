"""Folders of weights: which file in one is meant, which files belong together, and what to do about the others."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from models.errors import InputError
from models.fetch import recorded_sha256
from models.json_object import read_object

STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")  # diffusers', accelerate's (safetensors and torch)
SUFFIXES = (".safetensors", ".bin")
PARTS = ("transformer_ema", "transformer")  # of a pipeline's folder, or of diffusers' training scripts; averages first
NAMES = tuple(f"{STEMS[0]}{suffix}" for suffix in SUFFIXES)
WEIGHTS = (".pt", ".pth", ".ckpt", ".tar", ".bin", ".safetensors", ".pkl")
INDEX = ".index"
SHARD = re.compile(r"-(\d{5})-of-(\d{5})\b")


def file_in(path: Path) -> Path:
    """The file of weights that a path names: itself, or the one in a folder that save_pretrained or accelerate wrote.

    It is an index where the weights are sharded. Raises InputError where there is none, or it cannot be said which,
    with what to give instead.
    """
    if not path.is_dir():
        shard = SHARD.search(path.name)
        if shard and path.suffix in SUFFIXES and int(shard[2]) > 1:
            raise InputError(f"{path}: one of {int(shard[2])} shards; give their folder, {path.parent}")
        return path
    for folder in (path, *(path / part for part in PARTS)):
        for stem in STEMS:
            found_here = candidates(folder, stem)
            if len(found_here) > 1:
                names = ", ".join(file.name for file in found_here)
                raise InputError(f"{folder}: holds several files of weights ({names}); give the one that is meant")
            if found_here:
                return found_here[0]
    raise InputError(f"{path}: {refusal(path)}")


def candidates(folder: Path, stem: str) -> list[Path]:
    """The files of weights of one name: the plain one, whole or as an index; else every `variant` of it."""
    for suffix in SUFFIXES:
        for name in (f"{stem}{suffix}", f"{stem}{suffix}{INDEX}.json"):
            if (folder / name).is_file():
                beside = [] if stem == STEMS[0] else [*folder.glob(f"{stem}_*{suffix}"), *registered(folder)]
                return [folder / name, *sorted(beside)]
    for suffix in SUFFIXES:
        candidates = [*folder.glob(f"{stem}.*{suffix}"), *folder.glob(f"{stem}{suffix}{INDEX}.*.json")]
        variants = sorted(file for file in candidates if not SHARD.search(file.name))
        if variants:
            return variants
    return []


def registered(folder: Path) -> list[Path]:
    """What accelerate saved beside the raw weights because the trainer registered it: as a rule the averages."""
    return sorted(folder.glob("custom_checkpoint_*.pkl"))


def refusal(folder: Path) -> str:
    """What a folder without such a file is, and what to give instead."""
    averages = [
        *folder.glob("nnet_ema.pth"),
        *folder.glob("*.ckpt/nnet_ema.pth"),
        *folder.glob("ckpts/*.ckpt/nnet_ema.pth"),
    ]
    if averages:
        newest = max(averages, key=lambda file: [int(n) for n in re.findall(r"\d+", file.parent.name)])
        return f"a folder of U-ViT's trainer; give {newest}, its averaged weights"
    files = sorted(file.name for file in folder.iterdir() if file.suffix in WEIGHTS)
    distributed = [*folder.glob(".metadata"), *([] if files else folder.glob("*/.metadata"))]
    if distributed:
        command = f"python -m torch.distributed.checkpoint.format_utils dcp_to_torch {distributed[0].parent} weights.pt"
        return f"a folder of torch.distributed.checkpoint; '{command}' makes one file of it"
    if (folder / "zero_to_fp32.py").is_file():
        return f"a folder of DeepSpeed; 'python {folder}/zero_to_fp32.py {folder} out' gathers its weights"
    listed = ", ".join(files[:4]) + (f" and {len(files) - 4} more" if len(files) > 4 else "")
    return f"a folder without {' or '.join(NAMES)}, also in transformer/" + (f"; give one of {listed}" if files else "")


def shards(index: Path) -> list[Path]:
    """The files that an index of sharded weights names, all of them beside it. Raises InputError otherwise."""
    table = read_object(index).get("weight_map")
    if not isinstance(table, dict) or not table:
        raise InputError(f"{index}: expected 'weight_map', from names of tensors to files")
    files = sorted({str(name) for name in table.values()})
    for name in files:
        if Path(name).name != name or name.endswith(".json"):
            raise InputError(f"{index}: '{name}' is no file beside it")
        if not (index.parent / name).is_file():
            raise InputError(f"{index}: its shard {name} is not there")
    return [index.parent / name for name in files]


def settings_of(file: Path) -> list[Path]:
    """The settings' files that are read with a file of weights: config.json beside it, the pipeline's scheduler's."""
    if not file.name.startswith(STEMS[0]):
        return []
    configs = [file.parent / "config.json"]
    if file.parent.name in PARTS:
        configs.append(file.parent.parent / "scheduler" / "scheduler_config.json")
    return [path for path in configs if path.is_file()]


def belonging(path: Path) -> list[Path]:
    """Every file that a model loaded from `path` depends on: it, its shards, and the settings that are read with it."""
    parts = shards(path) if path.name.endswith(".json") else []
    return [path, *parts, *settings_of(path)]


def digest(path: Path) -> str:
    """SHA-256 of a file of weights; of sharded ones, of the list of their SHA-256s in the order of their names."""
    if not path.name.endswith(".json"):
        return recorded_sha256(path)
    return hashlib.sha256("\n".join(recorded_sha256(shard) for shard in shards(path)).encode()).hexdigest()
