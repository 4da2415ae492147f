"""`ditbench gate`: whether a run may replace its baseline; exit code 0 if open, 1 if closed."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path

from models.errors import InputError

HELP = "check a run against a baseline: exit code 0 if nothing moved, 1 if something did or could not be told"

SECONDS = 2.0  # of one comparison with --base-ref


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", metavar="BASE", help="the baseline: a directory of results")
    parser.add_argument("new", metavar="NEW", help="the run that is judged")
    parser.add_argument(
        "--base-ref",
        metavar="REF",
        help="judge speed by running that commit's code against ours; 'baseline': BASE's own",
    )
    parser.add_argument("--seconds", type=float, help="with --base-ref: of one such comparison (default: 2)")
    parser.add_argument("--allow-unresolved", action="store_true", help="open although something could not be told")
    parser.add_argument("--update", action="store_true", help="make NEW the baseline instead: review BASE's diff")
    parser.add_argument("--out", metavar="FILE", type=Path, help="also write what is printed to this file")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument("--markdown", action="store_true", help="for a pull request's comment")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 where the gate is closed. Raises InputError."""
    from bench.host.files import expect_writable, write_bytes
    from bench.judge.gate import baseline
    from bench.judge.gate.decision import gate
    from bench.judge.gate.fight import duels
    from bench.show import gate_text
    from bench.store.results import read_results, read_whole

    if args.seconds is not None and args.base_ref is None:
        raise InputError("gate: --seconds needs --base-ref")
    seconds = SECONDS if args.seconds is None else args.seconds
    if not 0 < seconds < float("inf"):
        raise InputError(f"gate: --seconds must be positive, got {seconds}")
    if args.out:
        expect_writable(args.out)
    if args.update:
        changed = baseline.update(Path(args.base), read_whole(args.new))
        print("\n".join(changed) or "nothing changed")
        return 0
    new, base = read_results(args.new), read_results(args.base)
    with contextlib.ExitStack() as stack:
        findings = gate(base, new, duels(stack, base, args.base_ref, seconds) if args.base_ref is not None else None)
    verdicts = gate_text.verdict_lines(base, new)
    if args.json:
        text = json.dumps(gate_text.as_json(findings, args.allow_unresolved, verdicts), indent=1)
    else:
        shown = gate_text.as_markdown if args.markdown else gate_text.as_text
        text = shown(findings, args.allow_unresolved, verdicts)
    print(text)
    if args.out:
        write_bytes(args.out, f"{text}\n".encode())
    return 0 if gate_text.is_open(findings, args.allow_unresolved) else 1
