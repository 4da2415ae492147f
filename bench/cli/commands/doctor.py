"""`ditbench doctor [SUITE]`: before a long run, whether this machine has what the suite will need."""

from __future__ import annotations

import argparse

from bench.cli.health import of_suite
from bench.cli.machine_health import TODO, Finding, of_machine
from bench.cli.options import expect_device_name
from bench.suite import file as suite

HELP = "check devices, versions, memory, disk, weights and references before a long run"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", metavar="SUITE", nargs="?", help="a shipped suite's name or a TOML file")
    parser.add_argument("--out", metavar="DIR", help="directory of the results (default: runs/<suite>)")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda[:N]")
    parser.add_argument("--weights", metavar="W", help="as for run")
    parser.add_argument("--plugin", action="append", metavar="FILE", help="load methods and models from this file")


def run(args: argparse.Namespace) -> int:
    """Prints one line a check; exit code 1 where one says what is to be done first."""
    expect_device_name(args.device)
    if args.suite is not None:
        suite.find(args.suite)  # before seconds of other checks
    findings = of_machine(args.device)
    absent = any(finding.what == "device" and finding.state == TODO for finding in findings)
    if args.suite is not None:
        findings += of_suite(args.suite, args.out, "cpu" if absent else args.device, args.weights, args.plugin)
    for finding in findings:
        print(line(finding))
    return 1 if any(finding.state == TODO for finding in findings) else 0


def line(finding: Finding) -> str:
    return f"{finding.state:<8}{finding.what}: {' '.join(finding.said.split())}"
