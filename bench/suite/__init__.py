"""What to run: suite files, the cells that they name, the protocol that those are held to."""

from pathlib import Path

SHIPPED = Path(__file__).parent / "shipped"  # the suites that come along, one TOML file each
