"""`python -m bench.run.remote FOLDER NUMBER`: be this worker of a run. Started by executors, not by people."""

import os
import sys

from bench.run.remote.workplace import main

if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2])
    sys.stdout.flush()
    os._exit(code)  # all is written and all children are ended: torch takes seconds to go, which somebody waits for
