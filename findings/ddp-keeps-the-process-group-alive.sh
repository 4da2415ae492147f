#!/usr/bin/env bash
# torch: building a DistributedDataParallel makes destroy_process_group() keep the group:
# its gloo threads and sockets stay until the process exits, however the module is deleted.
#
# Expected. After destroy_process_group(), with the module deleted and collected,
# nothing holds the default group: its destructor joins the worker threads and closes
# the connections. So it is after plain all_reduce calls.
#
# Happens. The constructor of DistributedDataParallel imports torch._dynamo, which
# imports torch.distributed.nn.functional, whose functions have `group=group.WORLD` as
# default argument: evaluated at import, that is the group that exists at this moment.
# Imported before init_process_group (the default is None then) nothing is kept.
#
# Matters. "Always call destroy_process_group() at the end" is the documented way to
# leave cleanly, and it does not help here: worker threads that may hold Python objects
# run on while the interpreter shuts down, and a run that has finished can end with an
# abort instead of exit code 0; torchrun then reports a failed job. A process that
# builds groups in turn (elastic training, a test suite) collects threads.
#
# Cure in one line, before init_process_group: import torch.distributed.nn.functional
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 OMP_NUM_THREADS=1
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.14.1 numpy==2.4.6
cat > "$work/threads.py" <<'PY'
"""How many gloo threads a process still has after init, some work, destroy_process_group() and a collection."""
import gc
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist

work, early = sys.argv[1], sys.argv[2] == "early"
if early:
    import torch.distributed.nn.functional  # noqa: F401


def train() -> None:
    if work == "ddp":
        replica = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 4))
        replica(torch.ones(2, 4)).sum().backward()
    else:
        dist.all_reduce(torch.ones(4))


dist.init_process_group("gloo", init_method=f"file://{sys.argv[3]}", rank=0, world_size=1)
train()
gc.collect()
dist.destroy_process_group()
gc.collect()
names = [comm.read_text().strip() for comm in Path("/proc/self/task").glob("*/comm")]
print(work, "early" if early else "late", sum("gloo" in name for name in names), flush=True)
os._exit(0)  # this script is about what is left, not about how Python ends with it
PY
run() { "$work/venv/bin/python" "$work/threads.py" "$1" "$2" "$work/$1-$2" 2>/dev/null; }
{ run reduce late; run ddp late; run ddp early; } | tee "$work/seen"
"$work/venv/bin/python" -c 'import sys, torch; print("python", sys.version.split()[0], "torch", torch.__version__)'
# Seen (Python 3.11.7, torch 2.14.1, Linux): reduce late 0, ddp late 3, ddp early 0
awk '$1=="reduce" && $3!=0 {bad=1} $2=="early" && $3!=0 {bad=1} $1=="ddp" && $2=="late" && $3==0 {bad=1} END {exit bad || NR!=3}' "$work/seen" \
  || { echo "the behaviour has changed" >&2; exit 1; }
