"""The answer in words: one sentence, a table of at most six lines, what could not be told apart, how to repeat it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from bench.host.progress import duration
from bench.measure.samples.exact_solution import SEEDS
from bench.run.choice.choose import Answer
from bench.run.choice.decision import Setting
from bench.run.choice.goal import ERROR, FD, SPEEDUP
from bench.run.choice.suite_text import suite_text
from bench.sampling.compiled import COMPILED, KERNELS
from bench.statistics.interval import Interval
from bench.suite.cells import Cell
from bench.suite.judging import MAX_SHARE

ROWS = 5  # beside the head: the chosen, the reference and others
NAMED = 4  # of those that could not be told apart
FIDELITY = """
[protocol.quality]
features = "none"

[verdict]
axis = "ode_error"
"""


def as_text(answer: Answer, suite_file: str | None) -> str:
    """`suite_file` is where the survivors' suite was written, if it was."""
    parts = [sentence(answer), table(answer), untold(answer), counts(answer), again(answer, suite_file)]
    return "\n\n".join(part for part in parts if part)


def sentence(answer: Answer) -> str:
    """What to use and what it gains."""
    chosen, goal, title = answer.choice.chosen, answer.question.goal, answer.reference.title
    model = answer.question.model
    if chosen is None:
        return f"No setting of {model} is surely {goal.words}."
    gains = f"{shown(chosen.speedup, 2)} times as fast as {title}, error {shown(chosen.error, 3)}"
    if chosen.above is not None:
        gains += f", Fréchet distance {percent(chosen.above)} above its"
    if chosen.slug == answer.reference.slug:
        gains = f"the reference itself; nothing that is surely faster is surely {goal.words}"
        gains = gains if goal.kind != SPEEDUP else "the reference itself, the nearest to the exact solution"
    return f"For {model}, {goal.words}, use {chosen.title}: {gains}."


def table(answer: Answer) -> str:
    """The chosen first, then what cannot be told from it, the reference, and the next ones."""
    rows = [["setting", "times as fast", "error", "note"]]
    distance = answer.question.goal.kind == FD
    if distance:
        rows[0].insert(3, "distance above")
    for setting in picked(answer):
        cells = [setting.title, shown(setting.speedup, 2), shown(setting.error, 3)]
        if distance and setting.above is not None:
            cells.append(percent(setting.above))
        rows.append([*cells, note(answer, setting)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def picked(answer: Answer) -> list[Setting]:
    """At most ROWS settings, in the order in which they matter, shown from fast to slow."""
    chosen, goal = answer.choice.chosen, answer.question.goal
    nearest = sorted(answer.settings, key=lambda s: abs(s.asked(goal).value - goal.bound))
    reference = [s for s in answer.settings if s.slug == answer.reference.slug]
    wanted = [*([chosen] if chosen else []), *reference, *answer.choice.untold, *nearest]
    rows = list({setting.slug: setting for setting in wanted}.values())[:ROWS]
    return sorted(rows, key=lambda s: -s.speedup.value)


def note(answer: Answer, setting: Setting) -> str:
    goal, chosen = answer.question.goal, answer.choice.chosen
    if chosen is not None and setting.slug == chosen.slug:
        return "use this"
    if setting.slug in {s.slug for s in answer.choice.untold}:
        return "not told apart"
    if setting.slug == answer.reference.slug:
        return "the reference"
    value = setting.asked(goal)
    missed = value.high < goal.bound if goal.kind == SPEEDUP else value.low > goal.bound
    return "misses the goal" if missed else "less exact" if goal.kind == SPEEDUP else "slower"


def untold(answer: Answer) -> str:
    """What the measurement cannot say."""
    rivals = answer.choice.untold
    if not rivals and answer.choice.chosen is None:
        return "Every setting that was measured surely misses the goal."
    if not rivals:
        return "Nothing else that was measured can be as good: everything is told apart at 95 %."
    names = [setting.title for setting in rivals[:NAMED]]
    more = f" and {len(rivals) - NAMED} more" if len(rivals) > NAMED else ""
    better = "nearer to the exact solution" if answer.question.goal.kind == SPEEDUP else "faster"
    may = "may meet the goal" if answer.choice.chosen is None else f"may meet the goal too, and be {better}"
    return f"Not told apart: {', '.join(names)}{more} {may}."


def counts(answer: Answer) -> str:
    """How it was found."""
    seeds = [seeds for seeds, _ in answer.screening.rungs]
    screened = answer.screening.rungs[0][1]
    said = f"{screened} settings were screened with {seeds[0]} to {seeds[-1]} seeds, {len(answer.settings)} timed"
    if answer.question.goal.kind == FD:
        said += f" and judged by {answer.question.samples} samples"
    said += f", in {duration(answer.seconds)}; the exact solution is known to {answer.screening.resolution:.2g}."
    excluded = answer.screening.candidates.excluded
    if excluded:
        said += f" {len(excluded)} could not take part; --json says why."
    if answer.untimed:
        said += f" {len(answer.untimed)} more were not beaten for sure, and not timed."
    if answer.failed:
        said += f" {len(answer.failed)} failed: {next(iter(answer.failed))}: {next(iter(answer.failed.values()))}."
    return said


def again(answer: Answer, suite_file: str | None) -> str:
    """The command that measures it again, and the suite file that it takes."""
    command = f"ditbench run {suite_file or 'choose.toml'}{options(answer)}"
    if suite_file:
        return f"Measure again: {command}"
    chosen = answer.choice.chosen
    cells = [answer.cells[chosen.slug]] if chosen else list(answer.cells.values())[:ROWS]
    return f"Measure again: {command}, choose.toml being\n\n{suite_of(answer, cells)}".rstrip()


def suite_of(answer: Answer, cells: Iterable[Cell]) -> str:
    """A suite file that measures these settings again, errors too, and judges them by what was asked."""
    goal, reference = answer.question.goal, answer.reference
    if goal.kind == FD:
        return suite_text(cells, reference)
    errors = [setting.error.value for setting in answer.settings if setting.slug == reference.slug]
    tables = FIDELITY
    if goal.kind == ERROR and errors:  # what may be used lies at most so far above the reference
        tables += f"bound = {min(max(goal.bound - errors[0], 0.0), MAX_SHARE):.4g}\n"
    return suite_text(cells, reference, SEEDS, tables)


def options(answer: Answer) -> str:
    """What the command line stated, as `run` takes it."""
    settings = answer.question.settings
    execution = settings.execution
    values = {
        "device": (settings.device, "cpu"), "dtype": (settings.dtype, "float32"), "threads": (settings.threads, 1),
        "weights": (settings.weights, None), "execution": (execution.path, COMPILED),
        "kernels": (execution.kernels, KERNELS[0]),
    }  # fmt: skip
    words = [f" --{name} {value}" for name, (value, usual) in values.items() if value != usual]
    flags = {"cuda-graphs": execution.cuda_graphs, "compile": execution.compile}
    words += [f" --{name}" for name, is_set in flags.items() if is_set]
    return "".join(words) + "".join(f" --plugin {file}" for file in answer.question.files)


def as_json(answer: Answer) -> dict[str, Any]:
    """Everything, for machines."""
    screening, chosen = answer.screening, answer.choice.chosen
    return {
        "model": answer.question.model,
        "goal": asdict(answer.question.goal),
        "reference": answer.reference.slug,
        "chosen": None if chosen is None else chosen.slug,
        "not_told_apart": [setting.slug for setting in answer.choice.untold],
        "settings": [asdict(setting) for setting in answer.settings],
        "screened": {
            slug: {"seeds": len(errors), "error": float(errors.mean()), "rough_s": screening.seconds[slug],
                   "dropped": screening.dropped.get(slug)}
            for slug, errors in screening.errors.items()
        },
        "rungs": [{"seeds": seeds, "settings": settings} for seeds, settings in screening.rungs],
        "excluded": screening.candidates.excluded,
        "not_timed": answer.untimed,
        "failed": answer.failed,
        "resolution": screening.resolution,
        "samples": answer.question.samples if answer.question.goal.kind == FD else None,
        "suite": suite_of(answer, answer.cells.values()),
        "seconds": answer.seconds,
        "screening_processor_s": answer.processor,
    }  # fmt: skip


def shown(value: Interval, decimals: int) -> str:
    """The value with its interval; an interval of no width is left out."""
    text = f"{value.value:.{decimals}f}"
    return text if value.low == value.high else f"{text} [{value.low:.{decimals}f}, {value.high:.{decimals}f}]"


def percent(value: Interval) -> str:
    text = f"{100 * value.value:.1f} %"
    return text if value.low == value.high else f"{text} [{100 * value.low:.1f}, {100 * value.high:.1f}]"
