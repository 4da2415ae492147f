"""What devices can do at most, from their makers' data sheets: for estimates before anything is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.cost.roofline import Rates
from models.errors import InputError, expect_one_of

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
DEFAULT = "h100"
# Dense tensor-core peaks in multiply-accumulates a second, half the FLOP/s; float32 as TF32. Then bytes a second.
PEAKS: dict[str, tuple[float, float, float]] = {  # 16-bit, TF32, memory
    "a5000": (55.55e12, 27.8e12, 0.768e12),
    "a100": (156e12, 78e12, 2.039e12),
    "h100": (494.5e12, 247.25e12, 3.35e12),
    "h200": (494.5e12, 247.25e12, 4.8e12),
}
PUBLISHED_AT = {
    "a5000": "NVIDIA RTX A5000",
    "a100": "NVIDIA A100 SXM 80 GB",
    "h100": "NVIDIA H100 SXM",
    "h200": "NVIDIA H200 SXM",
}


@dataclass(frozen=True)
class DeviceRates:
    """`name` is a device's, or "given" for two numbers from the command line."""

    name: str
    rates: Rates
    bytes_per_value: int


def read(text: str | None, dtype: str) -> DeviceRates:
    """`--rates`: a device of PEAKS, or `MACS,BYTES` a second (395e12,4.3e12). Raises InputError."""
    bytes_per_value = BYTES[dtype]
    if text is None or "," not in text:
        name = DEFAULT if text is None else text
        expect_one_of("device in --rates", name, PEAKS)
        sixteen, tf32, memory = PEAKS[name]
        return DeviceRates(name, Rates(tf32 if bytes_per_value == 4 else sixteen, memory), bytes_per_value)
    try:
        macs, memory = (float(word) for word in text.split(","))
        if not (macs < math.inf and memory < math.inf):
            raise ValueError
        return DeviceRates("given", Rates(macs, memory), bytes_per_value)
    except ValueError:
        expected = f"expected MACS_PER_S,BYTES_PER_S above 0, or one of {', '.join(PEAKS)}"
        raise InputError(f"--rates: {expected}, got '{text}'") from None
