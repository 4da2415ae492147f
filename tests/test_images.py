"""Images from folders and arrays: read as they are, in order, or refused by name."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from bench.quality.images.source import open_images
from models.errors import InputError


def pictures(n=5, channels=3, height=4, width=6):
    shape = (n, height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def write_folder(folder, array):
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(array):
        Image.fromarray(image.squeeze()).save(folder / f"{i:03}.png")
    return folder


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["folder", "npz", "compressed", "npy"])
def test_images_are_read_as_they_are_in_any_batch(tmp_path, kind, channels):
    array = pictures(channels=channels)
    path = tmp_path / {"folder": "f", "compressed": "a.npz"}.get(kind, f"a.{kind}")
    if kind == "folder":
        write_folder(path, array)
    else:
        save = {"npz": np.savez, "compressed": np.savez_compressed, "npy": np.save}[kind]
        save(path, array)
    source = open_images(path, channels)
    assert (source.count, source.shape) == (5, (channels, 4, 6))
    for size in (1, 2, 5, 9):
        batches = list(source.batches(size))
        assert [len(batch) for batch in batches] == [min(size, 5 - start) for start in range(0, 5, size)]
        assert torch.equal(torch.cat(batches), torch.from_numpy(array).permute(0, 3, 1, 2))


def test_a_folder_is_read_in_the_order_of_its_paths_with_its_subfolders(tmp_path):
    array = pictures(3)
    for name, image in zip(("b/1.png", "a.png", "b/0.PNG"), array, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / name)
    (tmp_path / "labels.txt").write_text("not an image")
    (tmp_path / "._a.png").write_bytes(b"left by a Mac")
    read = next(iter(open_images(tmp_path).batches(8)))
    assert torch.equal(read, torch.from_numpy(array[[1, 2, 0]]).permute(0, 3, 1, 2))


LEFT_OUT = {  # what is saved -> what is said
    "a second array in one npy": ("a.npy", r"holds 488 bytes after its array"),
    "more bytes than the header says": ("b.npz", r"holds 72 bytes after its array"),
    "a second array of images": ("c.npz", r"holds images in 'arr_1' \(\[2, 4, 6, 3\]\) beside 'arr_0'"),
    "images under another name too": ("d.npz", r"holds images in 'more' \(\[2, 4, 6, 1\]\) beside 'arr_0'"),
    "arr_0 twice": ("e.npz", r"holds 'arr_0' 2 times"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("what", LEFT_OUT)
def test_images_that_would_be_left_out_of_an_array_are_refused(tmp_path, what):
    array, (name, said) = pictures(5), LEFT_OUT[what]
    one = io.BytesIO()
    np.save(one, array)
    (tmp_path / "a.npy").write_bytes(one.getvalue() * 2)
    np.savez(tmp_path / "c.npz", array, array[:2])
    np.savez(tmp_path / "d.npz", arr_0=array, more=array[:2, ..., :1])
    for file, members in (("b.npz", [one.getvalue() + bytes(72)]), ("e.npz", [one.getvalue()] * 2)):
        with zipfile.ZipFile(tmp_path / file, "w") as archive:
            for member in members:
                archive.writestr("arr_0.npy", member)
    with pytest.raises(InputError, match=rf"^[^\n]*{name}: {said}[^\n]*$"):
        open_images(tmp_path / name)


def test_labels_and_statistics_beside_the_images_are_no_images(tmp_path):
    np.savez(tmp_path / "a.npz", arr_0=pictures(5), arr_1=np.arange(5), mu=np.zeros(4), sigma=np.eye(4))
    assert open_images(tmp_path / "a.npz").count == 5


@pytest.mark.parametrize("suffix", ["tga", "pnm", "psd", "J2K", "exr"])
def test_images_in_a_format_that_is_not_read_are_refused_rather_than_left_out(tmp_path, suffix):
    (write_folder(tmp_path / "f", pictures()) / f"9.{suffix}").write_bytes(b"")
    with pytest.raises(InputError, match=rf"9\.{suffix}: '\.{suffix}' is not read, expected"):
        open_images(tmp_path / "f")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, np.save])
def test_an_array_in_fortran_order_is_the_same_array(tmp_path, save, channels):
    array = pictures(channels=channels)
    path = tmp_path / f"a.{'npy' if save is np.save else 'npz'}"
    save(path, np.ascontiguousarray(array.transpose(3, 2, 1, 0)).T)  # as MATLAB and transposed arrays are stored
    source = open_images(path, channels)
    assert (source.count, source.shape) == (5, (channels, 4, 6))
    for size in (1, 2, 5, 9):
        assert torch.equal(torch.cat(list(source.batches(size))), torch.from_numpy(array).permute(0, 3, 1, 2))


def test_an_array_in_fortran_order_that_ends_early_is_one_line(tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(pictures()))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    with pytest.raises(InputError, match=r"a.npy: ends after 359 of 360 bytes"):
        list(open_images(tmp_path / "a.npy").batches(2))


def test_values_beyond_255_of_a_portable_map_are_refused(tmp_path):
    header = {"p6": b"P6 1 1 65535 ", "p6-10-bits": b"P6 1 1 1023 ", "p5": b"P5 1 1 65535 "}
    for name, head in header.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "0.ppm").write_bytes(head + b"\x01\x02" * 3)
        with pytest.raises(InputError, match=r"0.ppm: more than 8 bits"):
            open_images(folder)
    eight = tmp_path / "eight"
    eight.mkdir()
    (eight / "0.ppm").write_bytes(b"P6 1 1 255 abc")
    assert next(iter(open_images(eight).batches(1))).flatten().tolist() == [*b"abc"]


def test_unpadded_names_are_read_in_the_order_of_their_numbers(tmp_path):
    array = pictures(12)
    for i, image in enumerate(array):  # as U-ViT's sampler writes them
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    read = torch.cat(list(open_images(tmp_path).batches(5)))
    assert torch.equal(read, torch.from_numpy(array).permute(0, 3, 1, 2))


def png_of_16_bits(path):
    """A 16-bit RGB PNG of one pixel, which Pillow cannot write and would read as 8 bits without a word."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" + b"\x12\x34" * 3)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + body)


def bad_files(path):
    rgb = Image.fromarray(pictures(1)[0])
    rgb.convert("L").save(path)
    yield "a grey image, expected 8-bit RGB"
    rgb.convert("RGBA").save(path)
    yield "an alpha channel"
    rgb.save(path, transparency=(1, 2, 3))
    yield "an alpha channel"
    rgb.convert("P").save(path)
    yield "a palette"
    Image.fromarray(pictures(1)[0, :, :, 0].astype(np.uint16)).save(path)
    yield "more than 8 bits"
    png_of_16_bits(path)
    yield "more than 8 bits"
    rgb.save(path, save_all=True, append_images=[Image.fromarray(255 - pictures(1)[0])])
    yield "2 frames"
    rgb.resize((5, 4)).save(path)
    yield r"shape \[3, 4, 5\].*but 000.png has \[3, 4, 6\]"
    rgb.save(path)
    path.write_bytes(path.read_bytes()[:-30])
    yield "not a readable image"
    path.write_bytes(b"")
    yield "not a readable image"


def test_a_file_that_would_have_to_be_converted_is_refused_by_name(tmp_path):
    folder = write_folder(tmp_path / "f", pictures(3))
    cases = 0
    for says in bad_files(folder / "001.png"):
        with pytest.raises(InputError, match=says) as caught:
            list(open_images(folder, channels=3).batches(2))
        assert str(folder / "001.png") in str(caught.value)
        assert "\n" not in str(caught.value)
        cases += 1
    assert cases == 10


def test_grey_digits_want_no_colour(tmp_path):
    with pytest.raises(InputError, match=r"000.png: a colour image, expected 8-bit grey"):
        open_images(write_folder(tmp_path / "f", pictures(2)), channels=1)
    np.savez(tmp_path / "a.npz", pictures(2))
    with pytest.raises(InputError, match=r"a.npz: images have 3 channels, expected 1"):
        open_images(tmp_path / "a.npz", channels=1)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"arr_0": pictures().astype(np.float32) / 255}, "uint8 in 0..255, got float32; their range is never guessed"),
        ({"arr_0": pictures().transpose(0, 3, 1, 2)}, r"got \[5, 3, 4, 6\]; channels come last"),
        ({"arr_0": pictures()[0]}, r"got \[4, 6, 3\]"),
        ({"arr_0": pictures()[:0]}, r"got \[0, 4, 6, 3\]"),
        ({"arr_0": np.asfortranarray(pictures().transpose(0, 3, 1, 2))}, r"got \[5, 3, 4, 6\]; channels come last"),
        ({"arr_0": np.array([{}], dtype=object)}, "uint8"),
        ({"images": pictures()}, "expected 'arr_0', got images.npy"),
    ],
)
def test_an_array_that_is_no_set_of_images_is_refused(tmp_path, content, says):
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(InputError, match=rf"a.npz: .*{says}"):
        open_images(tmp_path / "a.npz")


def test_a_damaged_array_is_one_line(tmp_path):
    np.savez(tmp_path / "a.npz", pictures(50))
    whole = (tmp_path / "a.npz").read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    np.save(tmp_path / "short.npy", pictures(50))
    files = {"cut.npz": whole[:-40], "flipped.npz": damaged, "empty.npz": b"", "noise.npy": b"noise"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "short.npy").write_bytes((tmp_path / "short.npy").read_bytes()[:-1])
    for name in [*files, "short.npy"]:
        with pytest.raises(InputError, match=name) as caught:
            list(open_images(tmp_path / name).batches(16))
        assert "\n" not in str(caught.value)


def test_paths_without_images_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    for path, says in ((tmp_path, "holds no images"), ("nowhere", "no such"), (tmp_path / "notes.txt", "expected a")):
        with pytest.raises(InputError, match=says):
            open_images(path)
