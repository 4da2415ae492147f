"""dit-mnist-linear-attention: predicts noise under DiT's schedule, with linear attention."""

from models.dit_variants import LINEAR, digits

spec = digits("dit-mnist-linear-attention", LINEAR, learn_sigma=False)
