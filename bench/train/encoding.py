"""`ditbench encode`: the latents of a set of images, once, into files that training maps into memory."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from bench.host.listing import files_in
from bench.train.distributed import World
from bench.train.images import Images
from bench.train.latents import open_file
from models.autoencoders import Autoencoder
from models.errors import InputError
from models.spec import ModelSpec

PER_FILE = 4096  # images; with their mirror images 64 MiB of 32x32 latents


@dataclass
class Encoding:
    """Latents of all images, and of their mirror images, in files of `per_file` in the order of the images."""

    spec: ModelSpec
    images: Images
    autoencoder: Autoencoder
    out: Path
    world: World
    batch: int = 32
    per_file: int = PER_FILE

    def files(self) -> dict[Path, range]:
        """Every file and the images whose latents it holds."""
        total = len(self.images)
        parts = [range(start, min(start + self.per_file, total)) for start in range(0, total, self.per_file)]
        return {self.out / f"latents-{number:05d}.safetensors": part for number, part in enumerate(parts)}

    def run(self) -> int:
        """Write the files that are not there, this process its share; returns how many there are in all.

        Raises InputError where the folder holds latents of other images.
        """
        wanted = self.files()
        for stranger in (file for file in self.there() if file not in wanted):
            raise InputError(f"{stranger}: holds latents of other images; pass another folder")
        share = [*wanted][self.world.rank :: self.world.size]  # whatever the others have done meanwhile
        own, began = [file for file in share if not self.holds(file)], time.monotonic()
        for done, file in enumerate(own, start=1):
            self.write(file, wanted[file])
            if self.world.leads:
                left = (time.monotonic() - began) / done * (len(own) - done)
                print(f"{done} of {len(own)} files  ETA {left / 60:.1f} min", file=sys.stderr, flush=True)
        return len(wanted)

    def there(self) -> list[Path]:
        """The files that are in the folder already."""
        return files_in(self.out, ".safetensors") if self.out.is_dir() else []

    def holds(self, file: Path) -> bool:
        """Whether the file is there. Raises InputError where it holds something else."""
        if not file.exists():
            return False
        _, about = open_file(file, self.spec)
        for key, wanted in self.about().items():
            if about.get(key, wanted) != wanted:
                what = "of another autoencoder" if key == "autoencoder" else "of other images"
                raise InputError(f"{file}: holds latents {what}; pass another folder")
        return True

    def about(self) -> dict[str, str]:
        """What the latents are of, as every file states it."""
        total = str(len(self.images))
        return {"images": self.images.name, "total": total, "autoencoder": self.autoencoder.fingerprint}

    def write(self, file: Path, numbers: range) -> None:
        """One file, atomically; latents are drawn where the autoencoder has a posterior, by a generator of the file."""
        from bench.host.files import write_bytes

        generator = torch.Generator().manual_seed(numbers.start)
        latents: list[Tensor] = []
        mirrored: list[Tensor] = []
        for start in range(0, len(numbers), self.batch):
            pixels = self.images.read(numbers[start : start + self.batch]).to(self.world.device)
            for kept, seen in ((latents, pixels), (mirrored, pixels.flip(-1))):
                kept.append(self.autoencoder.encode(seen, generator).half().cpu())
        labels = self.images.labels[numbers.start : numbers.stop].clone()
        tensors = {"latents": torch.cat(latents), "mirrored": torch.cat(mirrored), "labels": labels}
        write_bytes(file, save(tensors, self.about()))
