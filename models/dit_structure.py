"""DiT's structure (models/dit.py is the network): sizes, work and parameters, from the configuration alone."""

from __future__ import annotations

from models.architecture import Architecture
from models.noise_schedule import linear as linear_schedule
from models.structure import Structure, attention_macs, block_parameters, linear_parameters

FREQUENCIES = 256  # width of the sinusoidal timestep embedding


class DiTStructure(Structure):
    """The arguments are those of models.dit.DiT."""

    embedders = 1  # of timestep and label: for all blocks, or one a block

    def __init__(
        self,
        input_size: int = 32,
        patch_size: int = 2,
        in_channels: int = 4,
        hidden_size: int = 1152,
        depth: int = 28,
        num_heads: int = 16,
        mlp_ratio: float = 4.0,
        class_dropout_prob: float = 0.1,
        num_classes: int = 1000,
        learn_sigma: bool = True,
    ) -> None:
        self.noise_schedule = linear_schedule()
        self.latent_shape = (in_channels, input_size, input_size)
        self.num_classes = self.null_label = num_classes
        self.num_blocks = depth
        self.skips = {}
        self.learn_sigma = learn_sigma
        self.patch_size = patch_size
        self.grid = input_size // patch_size
        self.width, self.mlp_width = hidden_size, int(hidden_size * mlp_ratio)
        self.class_dropout_prob = class_dropout_prob
        self.label_rows = num_classes + (class_dropout_prob > 0)  # the null class last
        self.out_channels = in_channels * (2 if learn_sigma else 1)

    @property
    def can_be_guided(self) -> bool:
        """Whether training dropped labels, so that the null class has a row."""
        return self.class_dropout_prob > 0

    def token_shape(self) -> tuple[int, int]:
        """(T, D): one token a patch."""
        return self.grid**2, self.width

    def embed_macs(self) -> int:
        """Patch embedding and output projection of T tokens; timestep MLPs and the final layer's adaLN once."""
        T, D = self.token_shape()
        patch = self.patch_size**2
        conditioning = self.embedders * (FREQUENCIES * D + D**2) + 2 * D**2  # timestep MLPs, final layer's adaLN
        return T * D * patch * (self.latent_shape[0] + self.out_channels) + conditioning

    def branch_macs(self, index: int) -> int:
        """Attention, or the MLP's two products of T D M each, and the chunks of adaLN that it reads."""
        T, D = self.token_shape()
        sublayer = 2 * T * D * self.mlp_width if index % 2 else attention_macs(T, D)
        return sublayer + 2 * D**2  # shift and scale

    def residual_macs(self, index: int) -> int:
        """The gate's chunk of adaLN, which a reused branch still needs."""
        return self.width**2  # the gate, recomputed also where the branch is reused

    def num_parameters(self) -> int:
        """Weights and biases of all layers, label table and fixed positions included."""
        T, D = self.token_shape()
        patch = self.patch_size**2
        image = linear_parameters(patch * self.latent_shape[0], D) + T * D  # and places
        timestep = linear_parameters(FREQUENCIES, D) + linear_parameters(D, D)
        embedders = self.embedders * (timestep + self.label_rows * D)
        block = block_parameters(D, self.mlp_width, qkv_bias=True) + linear_parameters(D, 6 * D)  # and its adaLN
        final = linear_parameters(D, patch * self.out_channels) + linear_parameters(D, 2 * D)
        return image + embedders + self.num_blocks * block + final


DIT = Architecture("models.dit", "DiT", DiTStructure)
