"""Make or refresh the one virtual environment that every tox environment runs, and show what pip does.

usage: environment.py DIRECTORY. Does nothing when pyproject.toml is the one that was installed last.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "train,imagenet,efficientnet,gpu,test,lint"


def fingerprint() -> str:
    """What decides the content of the environment; the project itself is installed editable."""
    text = f"{sys.version}\n{EXTRAS}\n{ROOT}\n".encode() + (ROOT / "pyproject.toml").read_bytes()
    return hashlib.sha256(text).hexdigest()


def run(directory: Path, *words: str, check: bool = True) -> None:
    """Run a module of the environment's Python with its output visible."""
    python = directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([str(python), "-m", *words], check=check, cwd=ROOT)


def install(directory: Path, *words: str) -> None:
    """By pip, which compiles on one core alone: left to `compiled`."""
    run(directory, "pip", "--disable-pip-version-check", "install", "--no-compile", *words)


def compiled(directory: Path) -> None:
    """Compile what is installed on all cores, without the packages' own tests. What is no Python is no matter."""
    tests = r"[/\\]tests[/\\]"
    run(directory, "compileall", "-qq", "-j", "0", "-x", tests, str(directory / "lib"), check=False)


def main(directory: Path) -> None:
    """Install unless the stamp, written last, says that this very content is installed."""
    stamp, wanted = directory / "installed", fingerprint()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    fresh = not (directory / "pyvenv.cfg").exists()
    print(
        f"{'installing' if fresh else 'updating'} {directory} (PyTorch is large: about 3 GB down, 6 GB on disk, once)"
    )
    if fresh:
        venv.create(directory, with_pip=True, upgrade_deps=False)
    stamp.unlink(missing_ok=True)
    # Without build isolation, so that a reinstall needs no network.
    install(directory, "setuptools>=77")
    install(directory, "--no-build-isolation", "--editable", f".[{EXTRAS}]")
    compiled(directory)
    stamp.write_text(wanted)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]).resolve())
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: pip failed with exit code {error.returncode}; its message is above")
