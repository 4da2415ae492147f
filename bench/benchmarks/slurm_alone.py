"""A command with a SLURM of this machine alone: controller, node and munge are started for it and ended after it.

`python -m bench.benchmarks.slurm_alone ditbench run smoke --on slurm:2` as root, with Debian's slurmctld, slurmd,
slurm-client and munge. All its files lie in a folder of its own. There is no accounting, so sacct says nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from models.errors import InputError

PROGRAMS = ("munged", "slurmctld", "slurmd", "sinfo", "sbatch", "srun")
CONFIGURATION = """
ClusterName=alone
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
{node} NodeAddr=127.0.0.1 State=UNKNOWN
PartitionName=alone Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
SOON = 60.0  # seconds until the node must be idle


def main(*command: str) -> int:
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, cluster(Path(folder)) as configuration:
        settings = os.environ | {"SLURM_CONF": str(configuration)}
        subprocess.run(["sinfo"], check=True, env=settings)
        return subprocess.run(command, check=False, env=settings).returncode


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Path]:
    """Within it the cluster is up; yields its configuration. Raises InputError where a program is missing."""
    if missing := [name for name in PROGRAMS if shutil.which(name, path=search_path()) is None]:
        raise InputError(f"{', '.join(missing)} missing: apt-get install slurmctld slurmd slurm-client munge")
    os.environ["PATH"] = search_path()
    configuration = configure(folder)
    munge = ["munged", "--foreground", "--force", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket"]
    munge += [f"--{what}-file={folder}/munge.{what}" for what in ("log", "pid", "seed")]
    with contextlib.ExitStack() as stack:
        for words in (munge, ["slurmctld", "-D", "-f", configuration], ["slurmd", "-D", "-f", configuration]):
            stack.enter_context(daemon(list(map(str, words)), folder))
            time.sleep(1.0)
        wait_until_idle(configuration)
        yield configuration


def configure(folder: Path) -> Path:
    """Write the configuration of the cluster and munge's key; returns the former."""
    folder.chmod(0o755)
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    facts = subprocess.run(["slurmd", "-C"], capture_output=True, text=True, check=True).stdout
    node, host = facts.splitlines()[0], socket.gethostname().partition(".")[0]
    file = folder / "slurm.conf"
    file.write_text(CONFIGURATION.format(host=host, folder=folder, node=node, ports=free_ports(2)))
    return file


@contextlib.contextmanager
def daemon(words: list[str], folder: Path) -> Iterator[None]:
    """Within it the program is at work; what it says is in the folder."""
    with (folder / f"{words[0]}.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


def wait_until_idle(configuration: Path) -> None:
    """Raises RuntimeError, with what the daemons said last, where the node does not come up."""
    end, settings = time.monotonic() + SOON, os.environ | {"SLURM_CONF": str(configuration)}
    while time.monotonic() < end:
        done = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, check=False, env=settings)
        if done.stdout.strip() == "idle":
            return
        time.sleep(1.0)
    logs = [path.read_text(errors="replace")[-1000:] for path in sorted(configuration.parent.glob("*.log"))]
    raise RuntimeError("\n".join(["the node does not come up", *logs]))


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
