"""dit-mnist-sqrt-linear: predicts noise under U-ViT's schedule."""

from models.dit_variants import OBJECTIVE, digits

spec = digits("dit-mnist-sqrt-linear", OBJECTIVE, schedule="sqrt-linear")
