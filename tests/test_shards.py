"""Shards: fixed ranges of whole batches; what is damaged, of another key or of another size is not there."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.samples.shards import TARGET, Shards, pieces, ranges
from bench.quality.images.digest import image_digests, set_sha256

INDICES = range(8, 12)


@given(st.integers(1, 5000), st.integers(1, 1500))
def test_ranges_cover_the_samples_in_whole_batches(samples, batch):
    found = ranges(samples, batch)
    assert [i for indices in found for i in indices] == list(range(samples))
    assert all(indices.start % batch == 0 for indices in found)
    assert all(len(indices) == len(found[0]) for indices in found[:-1])
    assert len(found[0]) <= max(TARGET, batch)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 700))
def test_more_samples_keep_every_whole_shard(fewer, more, batch):
    fewer, more = sorted((fewer, more))
    assert ranges(more, batch)[: len(ranges(fewer, batch)) - 1] == ranges(fewer, batch)[:-1]


def test_pieces_keep_the_order():
    assert pieces(range(5, 10), 2) == [range(5, 7), range(7, 9), range(9, 10)]


@pytest.fixture
def shards(tmp_path):
    made = Shards(tmp_path / "latents", "key")
    made.write(INDICES, {"latents": torch.arange(8.0).view(2, 4).T, "flags": torch.ones(4, dtype=torch.uint8)})
    return made


def test_a_shard_comes_back(shards):
    assert torch.equal(shards.read(INDICES)["latents"], torch.arange(8.0).view(2, 4).T)
    assert [path.name for path in shards.directory.iterdir()] == ["00000008.safetensors"]


def test_a_shard_says_which_code_sampled_it(shards):
    assert shards.commit(INDICES) is None
    shards.write(INDICES, {"latents": torch.ones(4, 2)}, "0123456789ab+")
    assert shards.commit(INDICES) == "0123456789ab+"
    assert torch.equal(shards.read(INDICES)["latents"], torch.ones(4, 2))
    assert shards.commit(range(4)) is None


def test_another_key_or_range_is_not_there(shards):
    assert Shards(shards.directory, "other").read(INDICES) is None
    assert shards.read(range(8, 11)) is None, "the last shard of a smaller run"
    assert shards.read(range(4)) is None
    shards.discard()
    assert shards.read(INDICES) is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "noise"])
def test_a_damaged_shard_is_not_there(shards, damage):
    path = shards.path(INDICES)
    whole = path.read_bytes()
    flipped = whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:]
    path.write_bytes({"cut": whole[:-5], "flipped": flipped, "emptied": b"", "noise": b"\xff" * 100}[damage])
    assert shards.read(INDICES) is None


def test_a_set_of_images_has_one_digest_however_it_is_split():
    images = torch.randint(256, (5, 3, 4, 4), generator=torch.Generator().manual_seed(0)).byte()
    parts = torch.cat([image_digests(images[:2]), image_digests(images[2:])])
    assert set_sha256(parts) == set_sha256(image_digests(images))
    assert set_sha256(parts) != set_sha256(image_digests(images.flip(0)))
    assert set_sha256(image_digests(images.view(5, 3, 2, 8))) != set_sha256(parts), "the shape counts"
