"""dit-mnist-noise: predicts noise under DiT's schedule; what the others of its size are compared with."""

from models.dit_variants import digits

spec = digits("dit-mnist-noise", learn_sigma=False)
