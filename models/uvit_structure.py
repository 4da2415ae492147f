"""U-ViT's structure (models/uvit.py is the network): sizes, work and parameters, from the configuration alone."""

from __future__ import annotations

from models.architecture import Architecture
from models.noise_schedule import sqrt_linear
from models.structure import Structure, attention_macs, block_parameters, linear_parameters


class UViTStructure(Structure):
    """The arguments are those of models.uvit.UViT."""

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 16,
        in_chans: int = 3,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = False,
        mlp_time_embed: bool = False,
        num_classes: int = -1,
        conv: bool = True,
        skip: bool = True,
    ) -> None:
        self.noise_schedule = sqrt_linear()
        self.latent_shape = (in_chans, img_size, img_size)
        self.num_classes, self.null_label = num_classes, num_classes - 1
        self.patch_size, self.grid = patch_size, img_size // patch_size
        self.out_channels = in_chans
        self.width, self.mlp_width = embed_dim, int(embed_dim * mlp_ratio)
        self.qkv_bias, self.mlp_time_embed, self.conv = qkv_bias, mlp_time_embed, conv
        self.extras = 2 if num_classes > 0 else 1  # time token and label token
        half = depth // 2
        self.num_blocks = 2 * half + 1
        self.skips = {half + 1 + i: half - 1 - i for i in range(half)} if skip else {}

    def token_shape(self) -> tuple[int, int]:
        """(T, D): one token a patch, one for the time, one for the label where there are classes."""
        return self.extras + self.grid**2, self.width

    def embed_macs(self) -> int:
        """Patch embedding, time MLP, output projection and final convolution, as far as the configuration has them."""
        T, D = self.token_shape()
        C, patch = self.latent_shape[0], self.patch_size**2
        time = 8 * D**2 if self.mlp_time_embed else 0
        conv = 9 * C**2 * self.grid**2 * patch if self.conv else 0
        return self.grid**2 * D * C * patch + T * D * C * patch + time + conv

    def enter_block_macs(self, block: int) -> int:
        """The linear layer [2D -> D] that joins the long skip, of T tokens; 0 where none comes in."""
        T, D = self.token_shape()
        return 2 * T * D**2 if block in self.skips else 0

    def branch_macs(self, index: int) -> int:
        """Attention, or the MLP's two products of T D M each."""
        T, D = self.token_shape()
        return 2 * T * D * self.mlp_width if index % 2 else attention_macs(T, D)

    def num_parameters(self) -> int:
        """Weights and biases of all layers, positions included."""
        T, D = self.token_shape()
        C, patch = self.latent_shape[0], self.patch_size**2
        embedders = linear_parameters(patch * C, D) + max(self.num_classes, 0) * D + T * D  # image, label, places
        time = linear_parameters(D, 4 * D) + linear_parameters(4 * D, D) if self.mlp_time_embed else 0
        block = block_parameters(D, self.mlp_width, self.qkv_bias) + 4 * D  # and two layer norms
        joins = len(self.skips) * linear_parameters(2 * D, D)
        final = 2 * D + linear_parameters(D, patch * C) + (linear_parameters(9 * C, C) if self.conv else 0)
        return embedders + time + self.num_blocks * block + joins + final


UVIT = Architecture("models.uvit", "UViT", UViTStructure)
