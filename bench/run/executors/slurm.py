"""SLURM through submitit: every worker is a job; one that is pre-empted or over its time is submitted again."""

from __future__ import annotations

import contextlib
import io
import logging
from pathlib import Path
from typing import Any

from bench.host.interrupts import put_off
from bench.run.executor import Executor
from bench.run.remote.fleet import Fleet, NotLaunched
from bench.run.request import On, RunFacts
from bench.store.directory import WORKERS
from bench.suite import slurm
from models.errors import InputError, expect_one_of

HERE = False
HELP = "slurm:N,partition=P,time=MINUTES,account=A jobs of a cluster (submitit)"
OPTIONS = (*slurm.OPTIONS, "cluster")
CLUSTERS = ("slurm", "local")  # local: submitit's stand-in, jobs on this machine
MINUTES = 24 * 60


def check(on: On) -> None:
    on.expect_options(OPTIONS)
    on.expect_count()
    expect_one_of("--on slurm: cluster", cluster_of(on), CLUSTERS)
    minutes = on.options.get("time", str(MINUTES))
    slurm.require_minutes(minutes, "--on slurm: time", minutes)


def cluster_of(on: On) -> str:
    return on.options.get("cluster", CLUSTERS[0])


def opened(on: On, facts: RunFacts) -> Executor:
    check(on)
    cluster = cluster_of(on)
    try:
        import submitit
    except ImportError:
        raise InputError("--on slurm needs submitit: pip install 'ditbench[slurm]'") from None
    logging.getLogger("submitit").setLevel(logging.ERROR)
    folder = Path(facts.directory) / WORKERS / "submitit"
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
    except RuntimeError as error:
        raise InputError(f"--on slurm: {error}") from None
    executor.update_parameters(**parameters(on, facts, cluster))
    return Fleet(facts, Jobs(executor), on.count or 1)


def parameters(on: On, facts: RunFacts, cluster: str) -> dict[str, Any]:
    """As submitit names them: one GPU a job, or the threads that a cell has."""
    settings, options = facts.settings, on.options
    minutes = options.get("time", str(MINUTES))
    given: dict[str, Any] = {"timeout_min": int(minutes), "gpus_per_node": int(settings.device != "cpu")}
    if cluster == "local":
        return given
    names = {"partition": "partition", "account": "account", "qos": "qos", "constraint": "constraint", "memory": "mem"}
    given |= {f"slurm_{name}": options[key] for key, name in names.items() if key in options}
    more = {"requeue": True}  # by SLURM itself, where a job is pre-empted
    return {**given, "cpus_per_task": settings.threads, "slurm_additional_parameters": more}


class Jobs:
    """A launcher (bench/run/remote/fleet.py)."""

    def __init__(self, executor: Any) -> None:
        self.executor = executor

    def launch(self, command: list[str]) -> Any:
        from submitit.helpers import CommandFunction

        try:
            with put_off(), contextlib.redirect_stderr(io.StringIO()):  # sbatch's own words are in the error, too
                job = self.executor.submit(CommandFunction(command, verbose=False))
        except (RuntimeError, OSError) as error:
            why = " ".join(str(error).split())[:300]
            raise NotLaunched(f"--on slurm: no job could be submitted: {why}") from error
        return Job(job, queued=self.executor.cluster != "local")

    def close(self) -> None:
        """Jobs are cancelled one by one."""


class Job:
    """A submitted job. Whether a real cluster's is over is asked of SLURM, which submitit does every minute or so."""

    def __init__(self, job: Any, queued: bool) -> None:
        self.job, self.queued = job, queued

    def done(self) -> bool:
        return bool(self.job.done())

    def cancel(self) -> None:
        """submitit's stand-in has no queue: each job hears of the end by itself; cancelled, it prints a traceback."""
        if self.queued:
            self.job.cancel(check=False)
