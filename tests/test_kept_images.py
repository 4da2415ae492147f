"""Kept images: shards in any order become what one pass would have written; half a file is never taken for whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from bench.measure.samples.kept_images import NpzFile, PngFolder, kept_images
from bench.quality.images.array import ImageArray

RANGES = [range(4), range(4, 8), range(8, 9)]
IMAGES = torch.randint(256, (9, 3, 5, 6), generator=torch.Generator().manual_seed(0)).byte()


def test_an_npz_is_what_numpy_and_the_evaluator_read(tmp_path):
    kept = kept_images("npz", tmp_path / "cell", "key")
    for indices in reversed(RANGES):
        assert not kept.has(indices)
        kept.write(indices, IMAGES[indices.start : indices.stop])
        assert kept.has(indices)
    kept.finish(RANGES)
    with np.load(tmp_path / "cell.npz", allow_pickle=False) as file:
        assert file.files == ["arr_0"]
        assert np.array_equal(file["arr_0"], IMAGES.permute(0, 2, 3, 1).numpy())
    read = torch.cat(list(ImageArray(tmp_path / "cell.npz").batches(2)))
    assert torch.equal(read, IMAGES)
    assert not list((tmp_path / "cell.parts").iterdir())
    assert all(kept.has(indices) for indices in RANGES), "a whole file needs no parts"
    kept.finish(RANGES)
    assert not NpzFile(tmp_path / "cell", "other").has(RANGES[0]), "another cell's file"


@pytest.mark.parametrize("damage", [lambda whole: whole[:-20], lambda whole: b""])
def test_a_cut_npz_is_not_there(tmp_path, damage):
    kept = NpzFile(tmp_path / "cell", "key")
    kept.write(range(2), IMAGES[:2])
    kept.finish([range(2)])
    kept.path.write_bytes(damage(kept.path.read_bytes()))
    assert not kept.has(range(2))


def test_png_files_are_named_by_the_sample_and_lossless(tmp_path):
    kept = kept_images("png", tmp_path / "cell", "key")
    kept.write(RANGES[1], IMAGES[4:8])
    assert kept.has(RANGES[1])
    assert not kept.has(RANGES[0])
    assert np.array_equal(np.asarray(Image.open(tmp_path / "cell" / "000006.png")), IMAGES[6].permute(1, 2, 0).numpy())
    grey = PngFolder(tmp_path / "grey")
    grey.write(range(1), IMAGES[:1, :1])
    assert Image.open(tmp_path / "grey" / "000000.png").mode == "L"
    assert kept_images(None, tmp_path, "key") is None
