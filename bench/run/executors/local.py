"""This machine: processes forked from a server that has torch imported, each on its own GPU or core."""

from __future__ import annotations

import os

import torch

from bench.host.environment import cores
from bench.run.child import Server
from bench.run.executor import ANYWHERE, Executor, Place
from bench.run.request import On, RunFacts
from models.errors import InputError

HERE = True  # the workers' devices are this machine's
HELP = "local:N workers on this machine, or local:0,1,2: one on each of these GPUs (on a CPU: cores); local:device=0"
DEVICE = "device"  # the one option: a single GPU or core, since a single number says how many


def check(on: On) -> None:
    on.expect_options((DEVICE,) if DEVICE in on.options else ())
    devices(on)


def opened(on: On, facts: RunFacts) -> Executor:
    check(on)
    settings = facts.settings
    if settings.device == "cpu":
        return Server(settings.threads, core_places(on, settings.threads))
    if settings.device != "cuda":
        raise InputError(f"--device {settings.device}: --on local gives each worker its own GPU; say --device cuda")
    return Server(settings.threads, gpu_places(on))


def devices(on: On) -> tuple[int, ...]:
    """The devices that are named: several numbers, or `device=`; empty where one number says how many workers."""
    stated = on.options.get(DEVICE)
    if stated is None:
        return on.numbers if len(on.numbers) > 1 else ()
    if on.numbers or not (stated.isascii() and stated.isdigit()):
        raise InputError(f"--on local: {DEVICE} must be one number and stand alone, got '{DEVICE}={stated}'")
    return (int(stated),)


def core_places(on: On, threads: int) -> list[Place]:
    """Workers anywhere, or each on its listed core."""
    listed = devices(on)
    if not listed:
        return [ANYWHERE] * (on.count or max(1, cores() // threads))
    if threads != 1:
        raise InputError(f"--on local: a worker on one core has one thread, got --threads {threads}; say local:N")
    usable = sorted(os.sched_getaffinity(0))
    for core in listed:
        if core not in usable:
            raise InputError(f"--on local: no core {core} here, expected some of {', '.join(map(str, usable))}")
    return [Place(core=core) for core in listed]


def gpu_places(on: On) -> list[Place]:
    """One worker a GPU. This process, too, sees these alone from now on: `cuda` is the first, which is timed."""
    count = torch.cuda.device_count()  # does not start CUDA
    chosen = devices(on) or range(on.count or count)
    for index in chosen:
        if index >= count:
            raise InputError(f"--on local: no GPU {index} here, torch finds {count}")
    visible = [gpu for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu]
    gpus = [visible[index] if visible else str(index) for index in chosen]
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    return [Place(gpu=gpu) for gpu in gpus]
