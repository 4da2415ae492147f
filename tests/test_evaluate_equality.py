"""Our numbers against torch-fidelity's and clean-fid's own, on the same image files with the same Inception weights."""

import inspect

import numpy as np
import pytest
import scipy.linalg
import torch
from inception_weights import write_random_inception
from PIL import Image

from bench.quality.assessment import Assessment
from bench.quality.extractors.fidelity_library import library
from bench.quality.metrics.frechet import frechet_distance

pytestmark = pytest.mark.timeout(900)  # half a minute of one idle core, mostly the library's 2048 x 2048 eigenvalues
SAMPLES, REFERENCE = 32, 8  # the fewest that the jackknife, and a third neighbour, allow


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two folders of smooth RGB images, half of the second one's dim, and random weights."""
    root, folders = tmp_path_factory.mktemp("equality"), []
    generator = torch.Generator().manual_seed(0)
    for name, count in (("samples", SAMPLES), ("real", REFERENCE)):
        coarse = torch.rand(count, 3, 5, 5, generator=generator)
        if name == "real":
            coarse[::2] *= 0.4
        images = (torch.nn.functional.interpolate(coarse, (48, 48), mode="bilinear") * 255).byte()
        (root / name).mkdir()
        for i, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
            Image.fromarray(image).save(root / name / f"{i:03}.png")
        folders.append(str(root / name))
    return *folders, str(write_random_inception(root / "inception.pth"))


@pytest.fixture(scope="module")
def adm(files):
    """Our evaluation of the two folders."""
    samples, real, weights = files
    return Assessment("adm", weights, kept=False).against(samples, real)


@pytest.fixture(scope="module")
def theirs(files):
    """torch-fidelity's metrics of the two folders; its network also tells ADM's spatial features, by hooks."""
    import torch_fidelity

    network, seen = (
        library("torch_fidelity.feature_extractor_inceptionv3", "FeatureExtractorInceptionV3"),
        {"spatial": [], "pool": []},
    )

    class Hooked(network):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            for name, layer in (("spatial", self.Mixed_6d.branch1x1), ("pool", self.AvgPool)):
                layer.register_forward_hook(lambda module, inputs, output, name=name: seen[name].append(output))

    torch_fidelity.register_feature_extractor("hooked", Hooked)
    samples, real, weights = files
    metrics = torch_fidelity.calculate_metrics(
        input1=samples,
        input2=real,
        feature_extractor="hooked",
        feature_extractor_weights_path=weights,
        isc_splits=1,
        kid_subset_size=REFERENCE,
        **dict.fromkeys(("isc", "fid", "kid", "prc", "save_cpu_ram"), True),
        **dict.fromkeys(("cuda", "cache", "verbose", "samples_shuffle"), False),
    )
    return metrics, seen


def test_adm_metrics_equal_torch_fidelity_on_the_same_folders(adm, theirs):
    metrics, seen = theirs
    for ours, name in (("fd", "frechet_inception_distance"), ("is", "inception_score_mean")):
        assert adm[ours] == pytest.approx(metrics[name], rel=1e-6), ours
    assert adm["is"] > 1.001
    for name in ("precision", "recall"):
        assert adm[name] == pytest.approx(metrics[name], rel=1e-6)
    # The library computes this one in float32, to 7 digits of kernels near 1; in float64 it gives our number.
    assert adm["kid"] == pytest.approx(metrics["kernel_inception_distance_mean"], abs=1e-7)
    samples, real = (pool.flatten(1).double() for pool in seen["pool"])
    double = library("torch_fidelity.metric_kid", "kid_features_to_metric")
    kid = double(samples, real, kid_subset_size=REFERENCE, verbose=False)["kernel_inception_distance_mean"]
    assert adm["kid"] == pytest.approx(kid, rel=1e-6)


def test_sfid_equals_adms_formula_on_independent_features(adm, theirs):
    """In the space that all 40 feature vectors span."""
    branch = (batch[:, :7].double().numpy() for batch in theirs[1]["spatial"])  # [N,7,17,17]
    x, y = (np.stack([image.transpose(1, 2, 0).ravel() for image in batch]) for batch in branch)
    assert (len(x), len(y)) == (SAMPLES, REFERENCE)
    basis = np.linalg.svd(np.concatenate([x, y]), full_matrices=False)[2]  # distances do not change in it
    assert adm["sfd"] == pytest.approx(frechet_by_sqrtm(x @ basis.T, y @ basis.T), rel=1e-6)


def frechet_by_sqrtm(x, y):
    """|μ₁ - μ₂|² + Tr(Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½) of features [N,d] and [M,d] by scipy's sqrtm."""
    one, other = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = x.mean(0) - y.mean(0)
    return gap @ gap + np.trace(one) + np.trace(other) - 2 * np.trace(scipy.linalg.sqrtm(one @ other).real)


def test_clean_features_and_distance_equal_clean_fid(files):
    _, real, weights = files
    assessment = Assessment("clean", weights, kept=False)
    folder_features = library("cleanfid.fid", "get_folder_features")
    network = assessment.extractor

    def pool(batch):
        return network.forward(batch)["pool"]

    theirs = folder_features(real, model=pool, num_workers=0, device=torch.device("cpu"), mode="clean", verbose=False)
    ours = assessment._features(assessment._images(real)).pool.numpy()
    assert np.allclose(ours, theirs, rtol=1e-5, atol=0)
    few, half = ours[:, :6].astype(np.float64), ours[:, 6:12].astype(np.float64)  # sqrtm takes a minute at 2048
    assert frechet_distance(few, half) == pytest.approx(frechet_by_sqrtm(few, half), rel=1e-6)
    # clean-fid 0.1.35 passes sqrtm an argument that SciPy 1.18 has removed: its distance is compared where it works
    if "disp" in inspect.signature(scipy.linalg.sqrtm).parameters:
        expected = library("cleanfid.fid", "fid_from_feats")(few, half)
        assert frechet_distance(few, half) == pytest.approx(expected, rel=1e-6)
