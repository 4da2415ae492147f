"""Paired fidelity: pairs of the same seed, identical pairs included and counted."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.quality.metrics.paired import (
    compare,
    decibels,
    latent_cosine,
    latent_error,
    paired_fidelity,
    psnr_summary,
    squared_errors,
    summary,
)
from models.errors import InputError

properties = settings(deadline=None, max_examples=25, derandomize=True)


def images(*values):
    """One 1×2×2 image of each value."""
    return torch.tensor(values, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone()


def test_psnr_by_hand_and_identical_pairs():
    found = decibels(squared_errors(images(0, 10, 255), images(255, 0, 255)))
    np.testing.assert_allclose(found, [0, 20 * np.log10(25.5), np.inf])


def test_summary_counts_identical_pairs_and_averages_errors_before_decibels():
    found = psnr_summary(images(10, 0, 20, 7), images(0, 0, 0, 7))
    assert found["identical"] == 2
    assert found["psnr"] == pytest.approx(10 * np.log10(255**2 / 125))  # mean squared error (100 + 0 + 400 + 0) / 4
    assert found["psnr_worst"] == pytest.approx(20 * np.log10(255 / 20))


def test_all_identical_is_null_not_infinite():
    latents = torch.ones(3, 1, 2, 2)
    found = paired_fidelity(latents, images(1, 2, 3), latents, images(1, 2, 3))
    assert found["psnr"] is None
    assert found["psnr_median"] is None
    assert found["identical"] == 3
    assert (found["latent_error"], found["latent_cosine"]) == (0, pytest.approx(1))
    json.dumps(found, allow_nan=False)


def test_latent_error_is_relative_to_the_other():
    other = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    latents = other + torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    np.testing.assert_allclose(latent_error(latents, other), [0.2, 1.0])
    np.testing.assert_allclose(latent_cosine(latents, other), [29 / (5 * 34**0.5), 0.5**0.5])
    found = paired_fidelity(latents, images(1, 2), other, images(1, 2))
    assert found["latent_error"] == pytest.approx(0.6)
    assert found["latent_error_se"] == pytest.approx(np.std([0.2, 1.0], ddof=1) / 2**0.5)


def test_one_pair_has_no_standard_error():
    found = paired_fidelity(torch.ones(1, 4), images(1), 2 * torch.ones(1, 4), images(2))
    assert found["latent_error_se"] is None


@given(st.integers(0, 1000), st.floats(0.1, 10))
@properties
def test_scaling_both_changes_nothing_and_scaling_one_gives_the_factor(seed, factor):
    latents, other = torch.randn(2, 5, 3, 2, 2, generator=torch.Generator().manual_seed(seed))
    np.testing.assert_allclose(latent_error(latents * factor, other * factor), latent_error(latents, other), rtol=1e-5)
    np.testing.assert_allclose(latent_error(other * factor, other), np.full(5, abs(factor - 1)), atol=1e-5)
    np.testing.assert_allclose(
        latent_cosine(latents * factor, other), latent_cosine(latents, other), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize(
    ("latents", "other", "says"),
    [
        (torch.ones(2, 4), torch.ones(3, 4), r"\[2, 4\] against \[3, 4\]"),
        (torch.ones(0, 4), torch.ones(0, 4), "not be empty"),
        (torch.tensor([[1.0], [torch.nan]]), torch.ones(2, 1), r"1 of 2 samples \(index 1\)"),
        (torch.ones(2, 1), torch.tensor([[1.0], [torch.inf]]), r"compare with: NaN or infinity in 1 of 2"),
        (torch.ones(2, 1), torch.tensor([[1.0], [0.0]]), "all zero in sample 1"),
    ],
)
def test_refuses_unpaired_or_broken_latents(latents, other, says):
    with pytest.raises(InputError, match=says):
        latent_error(latents, other)


def test_refuses_unpaired_or_float_images():
    with pytest.raises(InputError, match="against"):
        squared_errors(images(1, 2), images(1))
    with pytest.raises(InputError, match="uint8"):
        squared_errors(images(1).float(), images(1))
    with pytest.raises(InputError, match="2 latents but 1 images"):
        paired_fidelity(torch.ones(2, 4), images(1), torch.ones(2, 4), images(1))


def test_batches_add_up_to_the_whole():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(7, 2, 3, generator=generator) for _ in range(2))
    a, b = (torch.randint(256, (7, 1, 4, 4), generator=generator).byte() for _ in range(2))
    whole = paired_fidelity(x, a, y, b)
    parts = [compare(x[s], a[s], y[s], b[s]) for s in (slice(0, 3), slice(3, 4), slice(4, 7))]
    assert summary({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}) == whole
    assert "psnr" not in summary(compare(x, None, y, None))


def test_intervals_are_bootstrapped_over_pairs_and_batches_do_not_matter():
    generator = torch.Generator().manual_seed(0)
    pictures, others = torch.randint(0, 256, (2, 40, 3, 12, 12), generator=generator).byte()
    others[:10] = pictures[:10]
    latents, other_latents = torch.randn(2, 40, 4, generator=generator)
    found = paired_fidelity(latents, pictures, other_latents, others)
    assert found["identical"] == 10
    for name in ("psnr", "ssim", "latent_error"):
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]
    assert found["ssim_worst"] < found["ssim"] < 1
    parts = [compare(latents[s], pictures[s], other_latents[s], others[s]) for s in (slice(0, 7), slice(7, 40))]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    assert summary(joined) == pytest.approx(found, rel=1e-12)


def test_identical_pairs_have_the_best_similarity_and_no_decibels():
    pictures = torch.zeros(3, 1, 11, 11).byte()
    found = paired_fidelity(torch.ones(3, 4), pictures, torch.ones(3, 4), pictures)
    assert (found["psnr"], found["psnr_low"], found["psnr_high"]) == (None, None, None)
    assert found["ssim"] == found["ssim_low"] == found["ssim_high"] == pytest.approx(1)
