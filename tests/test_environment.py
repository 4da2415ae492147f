"""What a result says of the code that made it."""

import subprocess
from pathlib import Path

import pytest

from bench.host import environment


def git(root: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    return subprocess.run(
        ["git", "-C", str(root), *who, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a line of code and a committed result."""
    git(tmp_path, "init", "-q")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "suite.json").write_text("{}")
    (tmp_path / "code.py").write_text("a = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "Start")
    monkeypatch.setattr(environment, "REPOSITORY", tmp_path)
    return tmp_path


def test_a_commit_is_named_by_twelve_digits(checkout: Path) -> None:
    assert environment.commit.__wrapped__() == git(checkout, "rev-parse", "HEAD")[:12]


def test_changed_code_is_marked(checkout: Path) -> None:
    (checkout / "code.py").write_text("a = 2\n")
    assert environment.commit.__wrapped__() == git(checkout, "rev-parse", "HEAD")[:12] + "+"


def test_a_run_that_goes_on_in_committed_results_is_not_changed_code(checkout: Path) -> None:
    (checkout / "results" / "suite.json").write_text('{"more": 1}')
    assert environment.commit.__wrapped__() == git(checkout, "rev-parse", "HEAD")[:12]


def test_without_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "REPOSITORY", tmp_path)
    assert environment.commit.__wrapped__() is None
