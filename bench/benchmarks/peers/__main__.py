"""`python -m bench.benchmarks.peers`."""

from bench.benchmarks.peers.command import main

if __name__ == "__main__":
    main()
