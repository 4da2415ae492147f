"""dit-mnist-data: predicts the clean latents, under DiT's noise schedule."""

from models.dit_variants import OBJECTIVE, digits

spec = digits("dit-mnist-data", OBJECTIVE, prediction="data")
