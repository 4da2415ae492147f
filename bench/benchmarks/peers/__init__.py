"""Cache methods against their published implementations: `python -m bench.benchmarks.peers`, one idea a file."""
