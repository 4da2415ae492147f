"""The `timing` of a cell, or of one of its batches, from the rounds of a finished session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bench.measure.memory import is_guided
from bench.measure.task import Task
from bench.measure.timing import speed
from bench.measure.timing.cell_rounds import Round, cell_rounds, roles, summary
from bench.measure.timing.lineup import Lineup
from bench.measure.timing.machine_rates import all_rates
from bench.statistics.medians import median_interval
from bench.statistics.paired_times import Spread
from bench.store.sessions import Session

Timing = dict[str, Any]


class CellTimings:
    """Of one session, whose settings are planned in `lineup`."""

    def __init__(self, session: Session, lineup: Lineup) -> None:
        self.session, self.lineup = session, lineup
        self.processes = session.timed_processes
        self.rates = all_rates([process.ceilings for process in self.processes if process.ceilings])
        self.spread = session.spread()

    def of(self, task: Task, work: dict[str, Any]) -> Timing:
        """A cell's timing; of one that was taken out, or whose baseline was, the status and reason of that alone."""
        slug, removed = task.cell.slug, self.session.removed
        baseline = task.cell.baseline.slug if task.cell.has_baseline else None
        own = task.cell.own_baseline.slug if task.cell.own_baseline is not None else None
        if slug in removed:
            return dict(removed[slug])
        for other in (baseline, own):
            if other in removed:
                why = removed[other]
                return {"status": why["status"], "reason": f"{other}, which it is compared with: {why['reason']}"}
        reference = self.session.reference if self.session.reference in self.session.settings else None
        rounds = cell_rounds(self.session.rounds, roles(slug, baseline, reference, self.session.repeated, own))
        if not rounds:
            return {"status": "failed", "reason": "no round of its timing session was completed"}
        return self.complete(task, rounds, work)

    def complete(self, task: Task, rounds: list[Round], work: dict[str, Any]) -> Timing:
        last = self.processes[-1]
        decoded = [ms for process in self.processes for ms in process.decode_ms or ()]
        others = max(process.others for process in self.processes)
        measured = Measured(self.session.batch, rounds, self.rates, self.spread, others)
        return {
            "session": self.session.id,
            **self.common(task),
            **measured.timing(task, self.lineup, work),
            "cores": last.cores,
            "ceilings": self.rates,
            "energy_j": (last.energy_j or {}).get(task.cell.slug),
            "decode_ms": median_interval(decoded) if decoded else None,
        }

    def common(self, task: Task) -> Timing:
        """What all settings of the session share."""
        warmed = [process for process in self.processes if process.warmup_rounds is not None]
        return {
            "threads": task.settings.threads,
            "clock": "cuda" if task.settings.device.startswith("cuda") else "host",
            "warmup_rounds": max(process.warmup_rounds or 0 for process in warmed),
            "warmup_stable": all(process.warmup_stable for process in warmed),
        }


@dataclass(frozen=True)
class Measured:
    """Rounds of a cell at one batch, and what is known of the machine that ran them."""

    batch: int
    rounds: list[Round]
    rates: dict[str, Any]
    spread: Spread | None = None
    others: int = 0  # processes on the GPU

    def timing(self, task: Task, lineup: Lineup, work: dict[str, Any]) -> Timing:
        """Intervals, and what follows from them and from `work`, the MACs of one image."""
        slug, guided = task.cell.slug, is_guided(task)
        contender = replace(lineup.contenders[slug], plan=lineup.taken(slug, self.batch))
        timing = {"batch": self.batch, **summary(self.rounds, self.spread)}
        return {
            **timing,
            **speed.derived(timing, work, len(contender.plan), self.rates),
            "speedup_ideal": None if timing["speedup"] is None else 1 / work["macs_ratio"],
            "roofline": speed.roofline(lineup.model, contender, timing, work, guided, self.rates),
            "telemetry": speed.telemetry(self.rounds),
            "flags": speed.flags(timing, self.others),
        }
