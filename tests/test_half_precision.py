"""bfloat16 on a processor: what the benchmark compares, and the line where the processor has to emulate it."""

import json

import pytest

from bench.benchmarks import half_precision
from bench.cli import main, options
from bench.host import environment


def test_both_dtypes_are_timed_and_their_errors_are_to_one_solution():
    setting = half_precision.Setting("width 16", 1.0, batch=2, size={"width": 16, "depth": 2, "size": 4}, steps=20)
    found = half_precision.measure(setting, rounds=2)
    assert found["float32_over_bfloat16"].keys() == {"uncached", "fora"}
    error = found["error_to_exact"]
    assert 0 < error["float32 uncached"] < error["float32 fora"], "caching adds to it"
    assert 1e-4 < found["bfloat16_to_float32"] < 0.1, "bfloat16 has three digits"
    assert "| width 16 |" in half_precision.table([found])
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("flags", "known"),
    [("flags", ["avx512_bf16"]), ("Features", ["avx512_bf16"]), ("bugs", None)],
)
def test_what_a_processor_says_of_bfloat16(flags, known, monkeypatch):
    monkeypatch.setattr(environment, "_cpuinfo", lambda: {flags: "fpu avx512_bf16 sse"})
    assert environment.bfloat16_instructions() == known
    assert environment._numerics()["bfloat16_instructions"] == (None if known is None else "avx512_bf16")


@pytest.mark.parametrize(
    ("device", "dtype", "instructions", "lines"),
    [("cpu", "bfloat16", [], 1), ("cpu", "bfloat16", None, 0), ("cpu", "bfloat16", ["amx_bf16"], 0),
     ("cpu", "float32", [], 0), ("cuda", "bfloat16", [], 0)],
)  # fmt: skip
def test_a_processor_that_emulates_bfloat16_is_named(device, dtype, instructions, lines, monkeypatch, capsys):
    monkeypatch.setattr(options, "bfloat16_instructions", lambda: instructions)
    options.warn_of_half_precision(device, dtype)
    said = capsys.readouterr().err
    assert said.count("\n") == lines
    assert ("slower than float32" in said) == bool(lines)


@pytest.mark.parametrize("words", ["run nothing", "sample nothing", "choose nothing --error 0.1", "train nothing"])
def test_every_command_that_computes_in_bfloat16_says_so(words, monkeypatch, capsys):
    monkeypatch.setattr(options, "bfloat16_instructions", list)
    assert main([*words.split(), "--dtype", "bf16"]) == 2
    slower, unknown = capsys.readouterr().err.splitlines()
    assert "slower than float32" in slower
    assert "'nothing'" in unknown
