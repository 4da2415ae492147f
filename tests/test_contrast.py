"""Text can be read: WCAG 2's contrast of every text colour on every background, in light, dark and on paper.

axe-core leaves it undecided wherever something overlaps, so it is computed from the style sheet.
"""

import itertools
import re
from pathlib import Path

import pytest

SHEET = Path(__file__).parents[1] / "bench" / "show" / "templates" / "report.css"
ROOTS = re.findall(r":root(?:\[[^\]]*\])? \{(.*?)\}", SHEET.read_text("utf-8"), re.DOTALL)
TEXTS, BACKGROUNDS = ("text", "muted", "accent"), ("page", "panel", "warn")
AA = 4.5


def luminance(colour: str) -> float:
    """Relative luminance of #rgb or #rrggbb."""
    digits = colour.removeprefix("#")
    digits = "".join(2 * d for d in digits) if len(digits) == 3 else digits
    parts = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, two: str) -> float:
    low, high = sorted(map(luminance, (one, two)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_known_pairs():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777", "#fff") == pytest.approx(4.48, abs=0.01)


def test_every_text_colour_is_readable_on_every_background():
    light, *others = (dict(re.findall(r"--([a-z]+): (#[0-9a-f]+)", block)) for block in ROOTS)
    assert others, "dark and print have colours of their own"
    for scheme in (light, *(light | other for other in others)):
        for text, background in itertools.product(TEXTS, BACKGROUNDS):
            assert contrast(scheme[text], scheme[background]) >= AA, (text, background, scheme[text])
