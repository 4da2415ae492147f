"""`python -m bench.benchmarks.gate_power`: how often the gate catches what is planted, and how often it cries wolf.

Three checkouts of HEAD: unchanged; FORA 15 % slower, by waiting after each of its trajectories; FORA reusing one branch
one evaluation too long. In each, the suite `regression` runs once (what it decides without a clock is the same every
time), then the gate is asked again and again: the first two with duels against HEAD, the third without, as its plan,
latents and metrics must close the gate whatever the clock says. Writes results/benchmarks/gate_power.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.host.environment import environment
from bench.host.files import write_json
from bench.host.places import REPOSITORY
from bench.judge.gate.duel import checkout

OUT = REPOSITORY / "results" / "benchmarks" / "gate_power.json"
BASELINE = REPOSITORY / "results" / "regression"

QUALITY = "one branch reused too long"
# Appended to the file of that name in a checkout: (file, source).
PLANTED: dict[str, tuple[str, str] | None] = {
    "unchanged": None,
    "15 % slower": (
        "bench/sampling/compiled/__init__.py",
        """

import time

_prepare = prepare


class Slowed:
    def __init__(self, trajectory):
        self.trajectory = trajectory

    def __getattr__(self, name):
        return getattr(self.trajectory, name)

    def __call__(self, *arguments):
        start = time.perf_counter()
        samples = self.trajectory(*arguments)
        end = start + 1.15 * (time.perf_counter() - start)
        while time.perf_counter() < end:
            pass
        return samples


def prepare(model, sampler, plan, **options):
    trajectory = _prepare(model, sampler, plan, **options)
    reused = [row for row in plan.rows if row]
    fora = reused and all(len(row) == 1 and row[0].stop - row[0].start == plan.branches for row in reused)
    return Slowed(trajectory) if fora else trajectory
""",
    ),
    QUALITY: (
        "methods/fora.py",
        """

from methods.plan import Plan, Span

_method = next(v for v in list(globals().values()) if isinstance(v, type) and getattr(v, "name", "") == "fora")
_plan = _method.plan


def _late(self, model, sampler):
    plan = _plan(self, model, sampler)
    rows = list(plan.rows)
    refresh = next(k for k in range(2, len(rows)) if rows[k] == ())
    rows[refresh] = (Span(11, 12),)
    return Plan(plan.branches, tuple(rows), plan.notes)


_method.plan = _late
""",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="gates for each checkout (default: 20)")
    parser.add_argument("--only", choices=list(PLANTED), help="one checkout; the file's other results stay")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    trials: dict[str, Any] = json.loads(args.out.read_text())["checkouts"] if args.only and args.out.is_file() else {}
    for name in [args.only] if args.only else PLANTED:
        result = trial(name, args.times)
        trials[name] = {**result, "environment": environment(), "finished": datetime.now(UTC).isoformat()}
        write_json(args.out, {"command": "python -m bench.benchmarks.gate_power", "checkouts": trials})
        print(f"{name}: open {result['open']} of {result['times']}; closed by {result['closed_by']}")


def trial(name: str, times: int) -> dict[str, Any]:
    """One checkout: its run, and its gates."""
    with checkout("HEAD") as tree, tempfile.TemporaryDirectory() as folder:
        planted = PLANTED[name]
        if planted is not None:
            file, source = planted
            with (tree / file).open("a") as target:
                target.write(source)
        run(tree, "run", "regression", "--out", folder)
        duels = [] if name == QUALITY else ["--base-ref", "HEAD"]
        gates = []
        for n in range(times):
            gates.append(json.loads(run(tree, "gate", str(BASELINE), folder, *duels, "--json")))
            state = "open" if gates[-1]["open"] else f"closed by {dict(closing(gates[-1:]))}"
            print(f"{name} {n + 1}/{times}: {state}", file=sys.stderr)
    return summary(gates)


def run(tree: Path, *arguments: str) -> str:
    """A ditbench command with a checkout's code; its standard output."""
    variables = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", "bench", *arguments]
    done = subprocess.run(command, cwd=tree, env=variables, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(arguments)} ended with exit code {done.returncode}")
    return done.stdout


def summary(gates: list[dict[str, Any]]) -> dict[str, Any]:
    """How often the gate was open, and which cells and checks closed it how often."""
    return {"times": len(gates), "open": sum(gate["open"] for gate in gates), "closed_by": dict(closing(gates))}


def closing(gates: list[dict[str, Any]]) -> Counter[str]:
    """Which cells and checks closed the gates, and how often."""
    return Counter(
        f"{finding['model']}/{finding['slug']} {finding['check']} {finding['verdict']}"
        for gate in gates
        for finding in gate["findings"]
        if finding["verdict"] != "pass"
    )


if __name__ == "__main__":
    main()
