"""Where this checkout is: what is not inside the package lies beside it."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
