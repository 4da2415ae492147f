"""`python -m bench` is `ditbench`: the command line in a process of its own, which leaves nothing running."""

from typing import NoReturn

from bench.cli import main
from bench.host import offspring
from bench.host.output import stand_in


def run() -> NoReturn:
    """Ends this process when its work is done, with what plugins have started in it: processes, threads."""
    stand_in()
    offspring.adopt()
    offspring.leave(main())


if __name__ == "__main__":
    run()
