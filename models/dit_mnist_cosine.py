"""dit-mnist-cosine: predicts noise under the cosine schedule."""

from models.dit_variants import OBJECTIVE, digits

spec = digits("dit-mnist-cosine", OBJECTIVE, schedule="cosine")
