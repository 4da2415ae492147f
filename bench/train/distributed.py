"""The processes that train together: one a device under torchrun, one alone without it."""

from __future__ import annotations

import gc
import importlib
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from bench.host.environment import whole_number
from models.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """All processes of a training run, seen from one of them. All must call what exchanges something."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rank: int = 0
    size: int = 1
    local: int = 0  # rank among those of this machine

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports progress."""
        return self.rank == 0

    @property
    def device_name(self) -> str:
        """Of the device, for cards."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else platform.machine()

    def any(self, *conditions: bool) -> list[bool]:
        """For each condition, whether it holds in any process. On the host: a device is not waited for."""
        if self.size == 1:
            return list(conditions)
        held = torch.tensor([*conditions, False], dtype=torch.int32)  # never empty: `any()` waits for all
        dist.all_reduce(held, dist.ReduceOp.MAX)
        return [bool(value) for value in held[:-1]]

    def in_turn(self, action: Callable[[], T]) -> T:
        """The action of each machine's first process, then of the others: what it downloads, they find."""
        if self.local > 0:
            self.any()
            return action()
        result = action()
        self.any()
        return result

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace every tensor by its mean over the processes."""
        for tensor in tensors if self.size > 1 else ():
            dist.all_reduce(tensor)
            tensor.div_(self.size)

    def gather(self, own: Tensor) -> list[Tensor]:
        """Every process's tensor, in the order of their ranks, on the host; shapes may differ."""
        if self.size == 1:
            return [own]
        gathered: list[Tensor] = [own] * self.size
        dist.all_gather_object(gathered, own.cpu())
        return gathered

    def replicate(self, module: nn.Module) -> nn.Module:
        """The module, with gradients that are averaged over the processes while they are computed."""
        if self.size == 1:
            return module
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=devices)


@contextmanager
def join(device: str = "cpu") -> Iterator[World]:
    """The world that torchrun describes in the environment; on CUDA, rank r of a machine takes its r-th device.

    Raises InputError where there are more processes than devices, and for variables that torchrun does not set so.
    """
    size = whole_number("WORLD_SIZE", 1)
    if size == 1:
        yield World(torch.device(device))
        return
    local = expect_launched(size)
    chosen = torch.device(device)
    if chosen.type == "cuda":
        if local >= torch.cuda.device_count():
            raise InputError(f"process {local} of this machine has no device of its own: {torch.cuda.device_count()}")
        chosen = torch.device("cuda", local)
        torch.cuda.set_device(chosen)
    # Its functions keep the group that exists when they are imported, for ever: DistributedDataParallel imports it.
    importlib.import_module("torch.distributed.nn.functional")
    # Flags and generators travel on the host, so that no process waits for its device to exchange them.
    dist.init_process_group("cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo")
    yield World(chosen, dist.get_rank(), size, local)
    gc.collect()  # replicas, which hold the group: only with its last reference do its threads end
    dist.destroy_process_group()  # not after an error: the others may still wait in an exchange


def expect_launched(size: int) -> int:
    """The rank among this machine's processes. Raises InputError unless all that torchrun sets is there and fits."""
    rank, local = whole_number("RANK"), whole_number("LOCAL_RANK")
    if rank >= size or local >= size:
        raise InputError(f"RANK and LOCAL_RANK must be less than WORLD_SIZE, got {rank} and {local} of {size}")
    whole_number("MASTER_PORT")
    if not os.environ.get("MASTER_ADDR"):
        raise InputError("MASTER_ADDR must name the first machine, as torchrun sets it")
    return local
