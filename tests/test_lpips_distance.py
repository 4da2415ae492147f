"""LPIPS through its package, or a package in its shape: the trunk from a file, its slices named as the real one's."""

import json
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from bench.cli import main
from bench.quality.metrics.lpips_distance import Lpips
from bench.quality.metrics.paired import compare, summary
from models.errors import InputError


class Trunk(nn.Module):
    """The package's alexnet in miniature: torchvision's layers 0 and 3, each in its slice under its own number."""

    def __init__(self):
        super().__init__()
        self.slice1, self.slice2 = nn.Sequential(), nn.Sequential()
        self.slice1.add_module("0", nn.Conv2d(3, 4, 3, stride=2))
        self.slice2.add_module("3", nn.Conv2d(4, 5, 3))

    def forward(self, x):
        first = self.slice1(x).relu()
        return first, self.slice2(first).relu()


class Package(nn.Module):
    """Squared differences of the trunk's activations; refuses to be built with a trunk that it would download."""

    def __init__(self, net, pnet_rand, verbose):
        super().__init__()
        assert pnet_rand
        assert not verbose
        self.net = Trunk()

    def forward(self, x, y):
        assert x.min() >= -1
        assert x.max() <= 1
        pairs = zip(self.net(x), self.net(y), strict=True)
        return sum(((a - b) ** 2).mean((1, 2, 3), keepdim=True) for a, b in pairs)


@pytest.fixture
def package(monkeypatch):
    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=Package))


@pytest.fixture
def trunk(tmp_path):
    """A state dict as torchvision saves it, with the classifier that has no part here."""
    torch.manual_seed(0)
    layers = nn.ModuleDict({"0": nn.Conv2d(3, 4, 3, stride=2), "3": nn.Conv2d(4, 5, 3)})
    tensors = {f"features.{key}": value for key, value in layers.state_dict().items()}
    torch.save(tensors | {"classifier.1.weight": torch.zeros(2, 2)}, tmp_path / "alexnet.pth")
    return tmp_path / "alexnet.pth"


def images(seed=0):
    return torch.randint(0, 256, (4, 3, 16, 16), generator=torch.Generator().manual_seed(seed)).byte()


def test_distance_is_the_packages_with_the_trunk_of_the_file(package, trunk):
    found = Lpips(trunk)(images(), images(1))
    network = Package("alex", True, False)
    stored = torch.load(trunk, weights_only=True)
    network.net.load_state_dict({k: stored["features." + k.partition(".")[2]] for k in network.net.state_dict()})
    with torch.no_grad():
        expected = network(*(x.float() / 127.5 - 1 for x in (images(), images(1)))).flatten()
    np.testing.assert_allclose(found, expected.double().numpy())
    np.testing.assert_array_equal(Lpips(trunk)(images(), images()), 0)
    assert Lpips(trunk).fingerprint.startswith("lpips-0.1-alex:")


def test_it_is_one_of_the_paired_metrics(package, trunk):
    values = compare(torch.ones(4, 2), images(), torch.ones(4, 2), images(1), Lpips(trunk))
    found = summary(values)
    assert found["lpips"] == pytest.approx(Lpips(trunk)(images(), images(1)).mean())
    assert found["lpips_low"] < found["lpips"] < found["lpips_high"]


def test_without_the_package_one_line_says_what_to_install(monkeypatch, trunk):
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(InputError, match=r"LPIPS cannot be used .*pip install --upgrade 'ditbench\[lpips\]'"):
        Lpips(trunk)


def test_refuses_what_is_no_trunk_and_no_pair(package, trunk, tmp_path):
    torch.save({"features.0.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / "part.pth")
    with pytest.raises(InputError, match=r"part\.pth.*missing"):
        Lpips(tmp_path / "part.pth")
    with pytest.raises(InputError, match="alexx"):
        Lpips(trunk, "alexx")
    with pytest.raises(InputError, match="pairs of colour images"):
        Lpips(trunk)(images(), images()[:2])


def test_evaluate_gives_it_for_pairs(package, trunk, tmp_path, capsys):
    paths = [str(tmp_path / name) for name in ("a.npz", "b.npz")]
    for seed, path in enumerate(paths):
        np.savez(path, arr_0=images(seed).permute(0, 2, 3, 1).numpy())
    assert main(["evaluate", *paths, "--paired", "--features", "none", "--lpips", str(trunk), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lpips"] == pytest.approx(Lpips(trunk)(images(), images(1)).mean())
    assert main(["evaluate", *paths, "--features", "none", "--lpips", str(trunk)]) == 2
    assert "--paired" in capsys.readouterr().err
