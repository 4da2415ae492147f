"""Where torch has no triton (macOS, Windows, CPU-only builds) no command writes torch's warning about it to stderr."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

WITHOUT = "import sys; sys.modules['triton'] = None; "
COMMANDS = {
    "evaluate": "from bench.cli import main; sys.exit(main(['evaluate', 's.npz', 's.npz', '--features',"
    " 'digit-classifier', '--json', '--no-cache']))",
    "list": "from bench.cli import main; sys.exit(main(['list', 'models', '--json']))",
    "decoding": "import models; s = models.spec('dit-mnist'); print(s.pixels().decode_macs(s.latent_shape))",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_stderr_is_empty_without_triton(tmp_path: Path, name: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 1), dtype=np.uint8)
    np.savez(tmp_path / "s.npz", images)
    command = [sys.executable, "-c", WITHOUT + COMMANDS[name]]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
