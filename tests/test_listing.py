"""Which files a folder holds, and in which order: natural order, links followed, nothing left out silently."""

import os
from pathlib import Path

import pytest

from bench.host import listing
from bench.host.listing import files_in, files_under, folders_in, natural_key
from models.errors import InputError

SUFFIXES = (".png", ".jpg")


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in files_under(root, SUFFIXES, (".gif",))]


def test_numbers_in_names_are_compared_as_numbers_whether_padded_or_not(tmp_path: Path) -> None:
    ordered = [
        "0.png",
        "1.png",
        "2.png",
        "10.png",
        "0011.png",
        "100.png",
        "a2b9.png",
        "a2b10.png",
        "a10b1.png",
        "b.png",
    ]
    assert names(make(tmp_path, *reversed(ordered))) == ordered
    assert sorted(["x/10/1", "x/9/2", "x 1/0", "x/9"], key=natural_key) == ["x/9", "x/9/2", "x/10/1", "x 1/0"]
    assert sorted(["1", "01", "001", "1a"], key=natural_key) == ["001", "01", "1", "1a"]


def test_other_files_are_passed_over_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make(tmp_path / "set", "1.png", "notes.txt", "a/2.png", "a/2.png.bak", "a/3", "a/b.txt", ".hidden.txt")
    assert names(root) == ["1.png", "a/2.png"]
    said = f"ditbench: {root}: passed over by their suffixes: 1 .bak, 2 .txt, 1 without one\n"
    assert capsys.readouterr().err == said
    (tmp_path / "pure").mkdir()
    assert names(make(tmp_path / "pure", "1.png")) == ["1.png"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("link", ["set/b.png", "set/sub/a.png"])
def test_a_file_that_a_link_would_count_twice_is_refused(tmp_path: Path, link: str) -> None:
    root = make(tmp_path / "set", "a.png", "sub/0.png")
    (tmp_path / link).symlink_to(root / "a.png")
    with pytest.raises(InputError, match=r"leads to .* once more, which would count twice"):
        names(root)
    (tmp_path / link).unlink()
    make(tmp_path, "disk/a.png")
    for name in ("b.png", "c.png"):  # two links to one file outside
        (root / name).symlink_to(tmp_path / "disk/a.png")
    with pytest.raises(InputError, match=r"[bc]\.png: leads to .*[bc]\.png once more"):
        names(root)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(make(tmp_path, "0.png") / "1.png")
    with pytest.raises(InputError, match=r"1\.png: is neither a file nor a folder"):
        names(tmp_path)


def test_numbers_of_padded_names_keep_the_order_of_their_text(tmp_path: Path) -> None:
    padded = [f"{c}/{i:05}.png" for c in ("n01440764", "n01443537") for i in range(12)]
    assert names(make(tmp_path, *padded)) == sorted(padded)


def test_linked_folders_and_files_are_followed_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    disk = make(tmp_path / "disk", "c/1.png", "c/d/2.jpg", "single.png")
    root = make(tmp_path / "set", "b/0.PNG", ".hidden.png", ".ipynb_checkpoints/9.png", "b/.Trash/8.png", "notes.txt")
    (root / "a").symlink_to(disk / "c")
    (root / "z.png").symlink_to(disk / "single.png")
    assert names(root) == ["a/1.png", "a/d/2.jpg", "b/0.PNG", "z.png"]
    assert folders_in(root) == ["a", "b"]
    hidden = make(tmp_path / ".cache" / "set", "1.png")
    assert names(hidden) == ["1.png"]  # only what is inside the set can be hidden in it


@pytest.mark.parametrize(
    ("link", "target", "says"),
    [
        ("set/n02", "gone", "set/n02: a link to '.*gone', which is not there"),
        ("set/b/7.png", "gone.png", "set/b/7.png: a link to '.*gone.png', which is not there"),
        ("set/b/up", "set", "set/b/up: leads to .*set once more"),
        ("set/b/out", ".", "set/b/out: leads to .* once more"),
        ("set/latest", "set/b", "leads to .*(latest|b) once more, whose files would count twice"),
        ("set/x.png", "x.png", "set/x.png: a link to"),
    ],
)
def test_a_link_that_leads_nowhere_or_counts_files_twice_is_refused(
    tmp_path: Path, link: str, target: str, says: str
) -> None:
    root = make(tmp_path / "set", "b/0.png")
    (tmp_path / link).symlink_to(tmp_path / (link if link.endswith("x.png") else target))
    with pytest.raises(InputError, match=says) as caught:
        files_under(root, SUFFIXES)
    assert "\n" not in str(caught.value)


def test_an_image_in_a_format_that_is_not_read_is_named(tmp_path: Path) -> None:
    make(tmp_path, "0.png", "1.GIF")
    with pytest.raises(InputError, match=r"1.GIF: '.GIF' is not read, expected .jpg, .png"):
        names(tmp_path)


def test_a_folder_that_may_not_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/0.png", "b/0.png")
    scandir = os.scandir

    def denied(path):
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(listing.os, "scandir", denied)
    with pytest.raises(InputError, match=r"b: cannot be listed \(Permission denied\)"):
        files_under(tmp_path, SUFFIXES)


def test_shards_are_listed_by_the_same_rule(tmp_path: Path) -> None:
    make(tmp_path, "latents-10.safetensors", "latents-9.safetensors", ".tmp.safetensors", "a.txt", "d/x.safetensors")
    assert [path.name for path in files_in(tmp_path, ".safetensors")] == [
        "latents-9.safetensors",
        "latents-10.safetensors",
    ]
