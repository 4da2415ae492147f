"""Benchmarks and studies of the suite itself: `python -m bench.benchmarks.NAME` reruns one and writes its result."""
