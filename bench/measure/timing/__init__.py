"""Measuring speed and memory: interleaved rounds, ceilings, load, telemetry."""
