"""dit-mnist-velocity: flow matching, predicts the velocity of straight lines from latents to noise."""

from models.dit_variants import OBJECTIVE, digits

spec = digits("dit-mnist-velocity", OBJECTIVE, schedule="flow", prediction="velocity")
