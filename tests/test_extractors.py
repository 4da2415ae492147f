"""The registry of feature extractors, and what every extractor keeps to."""

from pathlib import Path

import pytest
import torch

from bench import plugins
from bench.quality import extractors
from models.errors import InputError

DOCS = Path(__file__).parents[1] / "docs" / "evaluate.md"
PLUGIN = DOCS.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


def test_the_digit_classifier_is_an_extractor():
    classifier = extractors.build("digit-classifier")
    found = classifier.extract(torch.zeros(3, 1, 32, 32, dtype=torch.uint8))
    assert {name: list(tensor.shape) for name, tensor in found.items()} == {"pool": [3, 128], "logits": [3, 10]}
    assert classifier.fingerprint.startswith("digit-classifier:")
    assert not classifier.is_fid


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (torch.zeros(3, 1, 32, 32), "uint8"),
        (torch.zeros(0, 1, 32, 32, dtype=torch.uint8), "not empty"),
        (torch.zeros(3, 3, 32, 32, dtype=torch.uint8), r"takes images \[1, 32, 32\] .* got \[3, 32, 32\]"),
        (torch.zeros(3, 1, 28, 28, dtype=torch.uint8), r"takes images \[1, 32, 32\] .* got \[1, 28, 28\]"),
    ],
)
def test_an_extractor_refuses_other_images(images, says):
    with pytest.raises(InputError, match=says):
        extractors.build("digit-classifier").extract(images)


def test_unknown_extractors_get_the_nearest_name():
    with pytest.raises(InputError, match="did you mean 'digit-classifier'"):
        extractors.build("digit-clasifier")


def test_a_plugin_brings_an_extractor(tmp_path, monkeypatch):
    monkeypatch.setattr(extractors.REGISTERED, "plugins", {})
    file = tmp_path / "mean.py"
    file.write_text(PLUGIN)
    assert plugins.load([str(file)]) == {}
    assert "channel-mean" in extractors.names()
    found = extractors.build("channel-mean").extract(torch.full((2, 3, 4, 4), 7, dtype=torch.uint8))
    assert torch.equal(found["pool"], torch.full((2, 3), 7.0))
    taken = tmp_path / "taken.py"
    taken.write_text(PLUGIN.replace('"channel-mean"\n', '"digit-classifier"\n'))
    assert "taken" in next(iter(plugins.load([str(taken)]).values()))
