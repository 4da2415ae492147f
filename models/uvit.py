"""U-ViT, the transformer with long skip connections and everything as tokens (Bao et al., arXiv 2209.12152).

Parameter names and numerics are those of the official checkpoints, so their state dicts load strictly.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from models.denoiser import Attention, Denoiser, Mlp, timestep_embedding
from models.uvit_structure import UViTStructure


class UViT(UViTStructure, Denoiser):
    """U-ViT; output [B,C,H,W] noise. `num_classes` counts the null class (last); -1 means unconditional."""

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
        nn.Module.__init__(self)
        super().__init__(
            img_size,
            patch_size,
            in_chans,
            embed_dim,
            depth,
            num_heads,
            mlp_ratio,
            qkv_bias,
            mlp_time_embed,
            num_classes,
            conv,
            skip,
        )
        self.add_embedders()
        self.add_blocks(depth // 2, num_heads, joins=skip)
        self.add_output()
        self.initialise()

    def add_embedders(self) -> None:
        """Of patches, time and label, and the places [1,T,D] of all tokens."""
        D, C = self.width, self.latent_shape[0]
        self.patch_embed = PatchEmbed(self.patch_size, C, D)
        time = nn.Sequential(nn.Linear(D, 4 * D), nn.SiLU(), nn.Linear(4 * D, D)) if self.mlp_time_embed else None
        self.time_embed = nn.Identity() if time is None else time
        if self.num_classes > 0:
            self.label_emb = nn.Embedding(self.num_classes, D)
        self.pos_embed = nn.Parameter(torch.zeros(1, *self.token_shape()))

    def add_blocks(self, half: int, num_heads: int, joins: bool) -> None:
        """`half` blocks in, one in the middle and `half` out; those out take in a long skip where `joins`."""

        def block(joins_skip: bool) -> Block:
            return Block(self.width, num_heads, self.mlp_width, self.qkv_bias, joins_skip)

        self.in_blocks = nn.ModuleList(block(False) for _ in range(half))
        self.mid_block = block(False)
        self.out_blocks = nn.ModuleList(block(joins) for _ in range(half))

    def add_output(self) -> None:
        """From tokens [B,T,D] to patches, and a convolution over the image where the configuration asks for it."""
        C = self.latent_shape[0]
        self.norm = nn.LayerNorm(self.width)
        self.decoder_pred = nn.Linear(self.width, self.patch_size**2 * C)
        self.final_layer = nn.Conv2d(C, C, 3, padding=1) if self.conv else nn.Identity()

    def initialise(self) -> None:
        """Truncated normal of 0.02 for places and linear weights, zero biases, as the official code has it."""
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def block(self, index: int) -> Block:
        """Block `index` in execution order: those in, the middle one, those out."""
        half = len(self.in_blocks)
        if index == half:
            return self.mid_block
        chosen = self.in_blocks[index] if index < half else self.out_blocks[index - half - 1]
        return cast(Block, chosen)

    def embed(self, x: Tensor, t: Tensor, y: Tensor | None = None, c: Any = None) -> tuple[Tensor, Any]:
        """Label, time and patches as tokens [B,T,D]; x [B,C,H,W], t [B], y [B]. There is no modulation: None."""
        tokens = [self.patch_embed(x)]
        tokens.insert(0, self.time_embed(timestep_embedding(t, self.width).to(x.dtype)).unsqueeze(1))
        if self.num_classes > 0:
            tokens.insert(0, self.label_emb(y).unsqueeze(1))
        return torch.cat(tokens, dim=1) + self.pos_embed, None

    def enter_block(self, block: int, h: Tensor, skip: Tensor | None) -> Tensor:
        """Tokens [B,T,D] before a block: h joined with the long skip [B,T,D] by a linear layer, where there is one."""
        join = self.block(block).skip_linear
        return h if skip is None or join is None else join(torch.cat([h, skip], dim=-1))

    def layer(self, index: int) -> Any:
        """The module of a branch: a block's attention where `index` is even, its MLP where it is odd."""
        block = self.block(index // 2)
        return block.mlp if index % 2 else block.attn

    def branch_input(self, index: int, h: Tensor, c: Any) -> Tensor:
        """LN(h) [B,T,D] of tokens h [B,T,D]; `c` is not used."""
        block = self.block(index // 2)
        return block.norm2(h) if index % 2 else block.norm1(h)

    def branch(self, index: int, h: Tensor, c: Any) -> Tensor:
        """The branch's output [B,T,D] from tokens h [B,T,D]; there is no gate."""
        return self.layer(index)(self.branch_input(index, h, c))

    def unembed(self, h: Tensor, c: Any) -> Tensor:
        """Tokens [B,T,D] -> noise [B,C,H,W]; those of label and time are dropped."""
        p, g, C = self.patch_size, self.grid, self.latent_shape[0]
        patches = self.decoder_pred(self.norm(h))[:, self.extras :].view(-1, g, g, p, p, C)
        return self.final_layer(patches.permute(0, 5, 1, 3, 2, 4).reshape(-1, C, g * p, g * p))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """Noise prediction [B,C,H,W] of x [B,C,H,W] at network timesteps t [B], labels y [B]."""
        return super().forward(x, t, y)  # y may be left out by an unconditional model


class PatchEmbed(nn.Module):
    def __init__(self, patch_size: int, in_chans: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chans, dim, patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """Patches of x [B,C,H,W] as tokens [B,T,D], row by row."""
        return self.proj(x).flatten(2).transpose(1, 2)  # [B,C,H,W] -> [B,T,D]


class Block(nn.Module):
    """Holds one block's parameters; UViT.enter_block and UViT.branch run them."""

    def __init__(self, dim: int, num_heads: int, mlp_width: int, qkv_bias: bool, joins_skip: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, num_heads, qkv_bias)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, mlp_width, approximate="none")
        self.skip_linear = nn.Linear(2 * dim, dim) if joins_skip else None
