"""torch-fidelity as it is relied on, and what is said when it cannot be imported."""

import inspect
import subprocess
import sys

import pytest
import torch

from bench.quality.extractors import fidelity_library
from bench.quality.extractors.fidelity_library import MetricsUnavailable, features_to_metric
from bench.quality.metrics.inception_score import inception_score
from models.errors import InputError


def test_torch_fidelity_has_the_functions_and_defaults_that_are_relied_on():
    isc = inspect.signature(features_to_metric("isc")).parameters
    assert list(isc)[:3] == ["feature", "splits", "shuffle"]
    for metric in ("kid", "prc"):
        parameters = inspect.signature(features_to_metric(metric)).parameters
        assert list(parameters)[:2] == ["features_1", "features_2"]
    from torch_fidelity.defaults import DEFAULTS

    # Not passed by us, so their values are part of what `kid` and `precision` mean.
    assert {
        name: DEFAULTS[name] for name in DEFAULTS if name.startswith("kid_kernel_poly") or name == "kid_kernel"
    } == {
        "kid_kernel": "poly",
        "kid_kernel_poly_degree": 3,
        "kid_kernel_poly_gamma": None,
        "kid_kernel_poly_coef0": 1,
    }
    assert {"prc_neighborhood", "prc_batch_size", "save_cpu_ram", "verbose"} <= set(DEFAULTS)


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'torch_fidelity'"),
        RuntimeError("operator torchvision::nms does not exist\nsecond line"),
        OSError("libcudart.so.13: cannot open shared object file"),
    ],
)
def test_a_broken_install_is_one_line_that_says_what_to_install(monkeypatch, error):
    def fail(name):
        raise error

    monkeypatch.setattr(fidelity_library.importlib, "import_module", fail)
    with pytest.raises(MetricsUnavailable) as caught:
        inception_score(torch.zeros(8, 2))
    message = str(caught.value)
    assert "\n" not in message
    assert str(error).splitlines()[0] in message
    assert "pip install" in message
    assert isinstance(caught.value, InputError)


def test_a_package_that_breaks_on_import_is_recognised(monkeypatch, tmp_path):
    """The real failure, in miniature: a torch_fidelity whose import of torchvision raises RuntimeError."""
    package = tmp_path / "torch_fidelity"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "torch_fidelity"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MetricsUnavailable, match="nms"):
        features_to_metric("isc")


def test_another_version_without_the_function_is_recognised(monkeypatch):
    monkeypatch.setitem(fidelity_library.FUNCTIONS, "isc", "torch_fidelity.defaults")
    with pytest.raises(MetricsUnavailable, match="AttributeError"):
        features_to_metric("isc")


def test_importing_the_metrics_does_not_import_torch_fidelity():
    modules = "bench.quality.distribution, bench.quality.metrics.paired"
    code = f"import sys, {modules}; sys.exit('torch_fidelity' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("module", "says"),
    [("cleanfid.resize", "clean-fid>=0.1.35"), ("efficientnet_lite_pytorch", r"ditbench\[efficientnet\]")],
)
def test_each_library_says_what_to_install(monkeypatch, module, says):
    monkeypatch.setitem(sys.modules, module, None)  # what Python does for a module that is not there
    with pytest.raises(MetricsUnavailable, match=f"cannot be used .*pip install --upgrade .*{says}"):
        fidelity_library.library(module, "anything")
