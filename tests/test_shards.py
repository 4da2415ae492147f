"""Shards: fixed ranges of whole batches; what is damaged, of another key or of another size is not there."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.samples import latents
from bench.measure.samples.latents import Latents
from bench.measure.samples.shards import TARGET, Shards, pieces, ranges
from bench.quality.images.digest import image_digests, set_sha256
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol

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


class Batches(Latents):
    """Latents that are the number of their batch; the batch that begins at `broken` raises."""

    def __init__(self, folder, broken=None):
        cell = Cell("dit-mnist", Part("ddim", {"steps": 5}), None, Protocol(samples=10, sampling_batch=4))
        super().__init__(None, cell, Settings(), folder, lambda *_: None)
        self.broken, self.sampled = broken, []

    def sample(self, indices):
        if indices.start == self.broken:
            raise KeyboardInterrupt
        self.sampled.append(indices.start)
        return torch.full((len(indices), 2), float(indices.start))


@pytest.mark.parametrize(("long", "again"), [(0.0, [8]), (60.0, [0, 4, 8])])
def test_a_shard_that_was_not_whole_goes_on_at_its_next_batch(tmp_path, monkeypatch, long, again):
    monkeypatch.setattr(latents, "LONG", long)
    killed = Batches(tmp_path, broken=8)
    with pytest.raises(KeyboardInterrupt):
        killed.read(range(10))
    resumed, whole = Batches(tmp_path), Batches(tmp_path / "alone")
    assert torch.equal(resumed.read(range(10)), whole.read(range(10)))
    assert (killed.sampled, resumed.sampled, whole.sampled) == ([0, 4], again, [0, 4, 8])
    shard = "latents/00000000.safetensors"
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file() and "alone" not in p.parts] == [
        shard
    ]
    assert (tmp_path / shard).read_bytes() == (tmp_path / "alone" / shard).read_bytes()
    assert not (tmp_path / "batches").exists()


def test_a_batch_by_other_code_is_sampled_again(tmp_path, monkeypatch):
    monkeypatch.setattr(latents, "LONG", 0.0)
    monkeypatch.setattr(latents, "commit", lambda: "before")
    with pytest.raises(KeyboardInterrupt):
        Batches(tmp_path, broken=8).read(range(10))
    monkeypatch.setattr(latents, "commit", lambda: "after")
    resumed = Batches(tmp_path)
    resumed.read(range(10))
    assert resumed.sampled == [0, 4, 8]
    assert resumed.shards.commit(range(10)) == "after"
