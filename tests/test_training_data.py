"""Images and latents to train on: layouts, crops, encoding, and what does not fit in one line."""

import io
from pathlib import Path

import numpy as np
import pytest
import tiny_training_models
import torch
from PIL import Image
from training_files import latents_file, make_folder, picture

from bench.cli import main
from bench.train.data import open_data
from bench.train.distributed import World
from bench.train.images import centre_crop, decode, open_images
from models.errors import InputError

SPEC = tiny_training_models.tiny_dit
PLUGIN = ["--plugin", tiny_training_models.__file__]


@pytest.mark.parametrize("pattern", ["{}/{}.png", "{}/nested/{}.JPEG", "train/{}/images/{}.JPEG"])
def test_class_folders(tmp_path: Path, pattern: str) -> None:
    images = open_images(make_folder(tmp_path, pattern), SPEC, threads=2)
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    read = images.read(range(9))
    assert read.shape == (9, 3, 8, 8)
    assert read.dtype == torch.uint8
    if pattern.endswith("png"):
        assert read[:, 0, 4, 1].tolist() == [100, 101, 102, 140, 141, 142, 180, 181, 182]
    assert images.name.startswith(f"9 images of 3 classes in {tmp_path.name} ")


def test_a_packed_npz_reads_as_its_folder(tmp_path: Path) -> None:
    folder = open_images(make_folder(tmp_path / "images", "{}/{}.JPEG"), SPEC)
    files = [Path(path).read_bytes() for path in folder.sources]
    order = [4, 0, 8, 1, 2, 3, 5, 6, 7]
    np.savez(
        tmp_path / "images.npz",
        jpeg=np.frombuffer(b"".join(files[i] for i in order), dtype=np.uint8),
        offsets=np.cumsum([0, *(len(files[i]) for i in order)]),
        labels=folder.labels[order].numpy().astype(np.int16),
        wnids=np.array(["a", "b", "c"]),
    )
    images = open_images(tmp_path / "images.npz", SPEC)
    assert torch.equal(images.read(range(9)), folder.read(order))
    assert torch.equal(images.labels, folder.labels[order])


def pack(path: Path, **changed: np.ndarray) -> Path:
    file = io.BytesIO()
    picture(1).save(file, "JPEG")
    size = len(file.getvalue())
    good = {
        "jpeg": np.frombuffer(file.getvalue() * 3, dtype=np.uint8),
        "offsets": np.arange(4) * size,
        "labels": np.arange(3),
        "wnids": np.array(["a", "b", "c"]),
    }
    np.savez(path, **good | changed)
    return path


PACKED_WRONG = {
    "no images": (
        {"jpeg": np.zeros(0, np.uint8), "offsets": np.zeros(1, int), "labels": np.zeros(0, int)},
        "'jpeg' is",
    ),
    "labels that are no integers": ({"labels": np.arange(3.0)}, r"'labels' is float64 \[3\], expected integer"),
    "labels in columns": ({"labels": np.arange(3)[:, None]}, r"'labels' is int64 \[3, 1\]"),
    "offsets that are no integers": ({"offsets": np.arange(4.0)}, "'offsets' is float64"),
    "offsets that fall": ({"offsets": np.array([9, 6, 3, 0])}, "'offsets' must rise from 0 to"),
    "bytes that belong to no image": ({"offsets": np.array([0, 10, 20, 30])}, "'offsets' must rise from 0 to"),
    "a class without images": ({"labels": np.array([0, 0, 2])}, "no images of the class 'b'"),
    "a class twice": ({"wnids": np.array(["a", "a", "c"])}, "'wnids' names 'a' 2 times"),
    "a label too many": ({"labels": np.array([0, 1, 2, 0])}, "do not fit the images"),
}


@pytest.mark.parametrize("what", PACKED_WRONG)
def test_a_packed_npz_that_does_not_fit_is_one_line(tmp_path: Path, what: str) -> None:
    changed, said = PACKED_WRONG[what]
    assert len(open_images(pack(tmp_path / "good.npz"), SPEC)) == 3
    with pytest.raises(InputError, match=rf"^[^\n]*bad\.npz: [^\n]*{said}[^\n]*$"):
        open_images(pack(tmp_path / "bad.npz", **changed), SPEC)


def test_a_packed_image_that_is_none_is_named_by_its_place(tmp_path: Path) -> None:
    images = open_images(pack(tmp_path / "i.npz", jpeg=np.zeros(30, np.uint8), offsets=np.arange(4) * 10), SPEC)
    with pytest.raises(InputError, match=r"^i\.npz\[1\]: not a readable image \(of no known format\)$"):
        images.read([1])


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "horse", "train")):
        (tmp_path / name).mkdir()
        picture(50 * number + 50).save(tmp_path / name / "0.png")
    images = open_images(tmp_path, SPEC)
    assert [Path(path).parent.name for path in images.sources] == ["cat", "horse", "train"]
    assert images.labels.tolist() == [0, 1, 2]


def test_classes_are_numbered_as_the_model_says(tmp_path: Path) -> None:
    chosen = SPEC.__class__(**vars(SPEC) | {"classes": ("d", "a", "b")})
    images = open_images(make_folder(tmp_path, classes="abcd", count=1), chosen)
    assert [Path(path).parent.name for path in images.sources] == ["a", "b", "d"]
    assert images.labels.tolist() == [1, 2, 0]


def test_classes_and_images_are_in_natural_order_and_hidden_folders_are_none(tmp_path, capsys) -> None:
    for name in ("1", "9", "10"):
        for i in (0, 1, 10, 2):
            (tmp_path / name).mkdir(exist_ok=True)
            picture(10 * int(name) + i).save(tmp_path / name / f"{i}.png")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    images = open_images(tmp_path, SPEC)
    assert images.read(range(12))[:, 0, 4, 1].tolist() == [10 * n + i for n in (1, 9, 10) for i in (0, 1, 2, 10)]
    assert images.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert "numbered in natural order (2 before 10)" in capsys.readouterr().err


def test_linked_classes_are_read_and_links_that_mislead_are_refused(tmp_path) -> None:
    make_folder(tmp_path / "disk", classes="c")
    root = make_folder(tmp_path / "images", classes="ab")
    (root / "c").symlink_to(tmp_path / "disk" / "c")
    assert open_images(root, SPEC).labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    (root / "c").unlink()
    (root / "c").symlink_to(root / "a")  # one image under two labels
    with pytest.raises(InputError, match="once more, whose files would count twice"):
        open_images(root, SPEC)
    (root / "c").unlink()
    (root / "c").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"images/c: a link to .*gone', which is not there"):
        open_images(root, SPEC)


def test_an_image_of_no_class_and_a_class_without_images_are_named(tmp_path) -> None:
    picture(1).save(make_folder(tmp_path) / "stray.png")
    with pytest.raises(InputError, match=r"stray.png: an image beside the class folders"):
        open_images(tmp_path, SPEC)
    (tmp_path / "stray.png").unlink()
    for file in (tmp_path / "b").iterdir():
        file.unlink()
    with pytest.raises(InputError, match=r"b: holds no images"):
        open_images(tmp_path, SPEC)


DEEP = {
    "grey.png": lambda ramp: Image.fromarray((ramp * 65535).astype(np.uint16)),
    "grey.tif": lambda ramp: Image.fromarray((ramp * 65535).astype(np.uint16)),
    "float.tif": lambda ramp: Image.fromarray(ramp.astype(np.float32)),
    "integers.tif": lambda ramp: Image.fromarray((ramp * 1e6).astype(np.int32)),
}


@pytest.mark.parametrize("name", DEEP)
def test_what_8_bits_cannot_hold_is_refused_rather_than_white(tmp_path: Path, name: str) -> None:
    ramp = np.linspace(0, 1, 256).reshape(16, 16)
    DEEP[name](ramp).save(tmp_path / name)
    packed = (name, (tmp_path / name).read_bytes())
    for source in (tmp_path / name, packed):
        with pytest.raises(InputError, match=rf"{name}: more than 8 bits a channel, expected 8"):
            decode(source, 8)


def test_further_frames_and_deep_portable_maps_are_refused_too(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "pages.tif", save_all=True, append_images=[picture(200)])
    with pytest.raises(InputError, match=r"pages.tif: 2 frames"):
        decode(tmp_path / "pages.tif", 8)
    (tmp_path / "deep.ppm").write_bytes(b"P6 1 1 65535 " + b"\x01\x02" * 3)
    with pytest.raises(InputError, match=r"deep.ppm: more than 8 bits"):
        decode(tmp_path / "deep.ppm", 8)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_images_of_8_bits_become_rgb(tmp_path: Path, mode: str) -> None:
    picture(255, mode=mode).save(tmp_path / "a.tif")
    read = decode(tmp_path / "a.tif", 16).float()
    assert read.shape == (3, 16, 16)
    assert read[:, :, :8].mean() > 200 > 60 > read[:, :, 8:].mean()


def test_halving_is_by_area_and_the_centre_is_kept() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    areas = torch.from_numpy(noise).permute(2, 0, 1).float().unfold(1, 2, 2).unfold(2, 2, 2).mean((-1, -2))
    assert (centre_crop(Image.fromarray(noise), 8).float() - areas).abs().max() <= 1  # each direction is rounded
    wide = np.zeros((8, 20, 3), dtype=np.uint8)
    wide[:, 6:14] = 255
    assert (centre_crop(Image.fromarray(wide), 8) == 255).all()


def test_images_are_encoded_as_they_are_drawn(tmp_path: Path) -> None:
    data = open_data(make_folder(tmp_path), SPEC, World())
    latents, labels = data.draw(50, torch.Generator().manual_seed(0))
    again, _ = data.draw(50, torch.Generator().manual_seed(0))
    assert torch.equal(latents, again)
    assert set(labels.tolist()) == {0, 1, 2}
    left = latents[:, 0, 4, 1] > latents[:, 0, 4, 6]  # the bright half
    assert 10 < left.sum() < 40


def broken(root: Path) -> Path:
    (make_folder(root) / "b" / "1.png").write_bytes(b"not an image")
    return root


def truncated(root: Path) -> Path:
    content = io.BytesIO()
    picture(9, (64, 64)).save(content, "jpeg")
    (make_folder(root) / "c" / "1.JPEG").write_bytes(content.getvalue()[:-200])
    return root


BAD_DATA = {
    "nothing there": (lambda root: root / "absent", "absent: no such file or folder"),
    "an empty folder": (lambda root: root.mkdir() or root, "has 0 class folders, tiny-dit has 3 classes"),
    "too few classes": (lambda root: make_folder(root, classes="ab"), "has 2 class folders, tiny-dit has 3"),
    "a class without images": (lambda root: (make_folder(root) / "b" / "0.png").parent, "has 0 class folders"),
    "a broken image": (broken, "1.png: not a readable image"),
    "a truncated image": (truncated, "1.JPEG: not a readable image"),
    "no npz": (lambda root: latents_file(root.with_suffix(".txt")), "not an npz of packed images"),
    "no safetensors": (lambda root: root.with_suffix(".safetensors"), "no such file"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_is_one_line(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, message = BAD_DATA[case]
    path = make(tmp_path / "data")
    command = ["train", "tiny-dit", *PLUGIN, "--out", str(tmp_path / "out"), "--steps", "4", "--batch", "32"]
    assert main([*command, "--data", str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list((tmp_path / "out").glob("*.safetensors"))


def test_images_are_exported_as_evaluators_read_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = make_folder(tmp_path / "images"), tmp_path / "images.npz"
    assert main(["encode", "tiny-dit", *PLUGIN, "--data", str(folder), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 9 images of 8 pixels\n"
    pixels = torch.from_numpy(np.load(out)["arr_0"])
    assert torch.equal(pixels.permute(0, 3, 1, 2), open_images(folder, SPEC).read(range(9)))
