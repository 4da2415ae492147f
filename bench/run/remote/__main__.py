"""`python -m bench.run.remote FOLDER NUMBER`: be this worker of a run. Started by executors, not by people."""

import sys

from bench.run.remote.workplace import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
