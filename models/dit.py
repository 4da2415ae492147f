"""DiT, the diffusion transformer with adaptive layer norm (Peebles & Xie, arXiv 2212.09748).

Parameter names and numerics are those of the official checkpoints, so their state dicts load strictly.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models.denoiser import Attention, Denoiser, Mlp, timestep_embedding
from models.dit_structure import FREQUENCIES, DiTStructure
from models.modulation import Modulation, hoist

TABLE_BYTES = 2**28  # modulations of a whole trajectory are tabulated up to this size, else made when needed
NORM_EPS = 1e-6  # of every layer norm


class DiT(DiTStructure, Denoiser):
    """DiT with adaLN-Zero blocks; output [B,2C,H,W] (noise, variance) with `learn_sigma`, else [B,C,H,W]."""

    attention: type[Attention] = Attention  # of every block

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
        nn.Module.__init__(self)
        super().__init__(
            input_size,
            patch_size,
            in_channels,
            hidden_size,
            depth,
            num_heads,
            mlp_ratio,
            class_dropout_prob,
            num_classes,
            learn_sigma,
        )
        self.x_embedder = PatchEmbed(patch_size, in_channels, hidden_size)
        self.t_embedder = TimestepEmbedder(hidden_size)
        self.y_embedder = LabelEmbedder(self.label_rows, hidden_size)
        self.own_embedders = nn.ModuleList()  # of the blocks after the first, where each has its own
        self.pos_embed = nn.Parameter(sincos_positions(hidden_size, self.grid), requires_grad=False)  # [1,T,D]
        self.blocks = nn.ModuleList(
            DiTBlock(hidden_size, num_heads, self.mlp_width, self.attention) for _ in range(depth)
        )
        self.final_layer = FinalLayer(hidden_size, patch_size**2 * self.out_channels)
        self.initialise()

    def initialise(self) -> None:
        """adaLN-Zero: gates, modulations and output start at zero (section 3.2)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.x_embedder.proj.weight.flatten(1))
        nn.init.zeros_(self.x_embedder.proj.bias)
        embedders: list[Any] = [self.y_embedder.embedding_table, self.t_embedder.mlp[0], self.t_embedder.mlp[2]]
        for layer in embedders:
            nn.init.normal_(layer.weight, std=0.02)
        for layer in [*self.modulated(), self.final_layer.linear]:
            nn.init.zeros_(layer.weight)

    def modulated(self) -> list[Any]:
        """The adaLN projections: one a block, chunks (shift, scale, gate) of attention then MLP; the final layer's."""
        return [part.adaLN_modulation[1] for part in (*self.blocks, self.final_layer)]

    def give_own_embedders(self) -> None:
        """Make this the network that diffusers trains: every block has embedders of timestep and label of its own.

        Those of the first block, `t_embedder` and `y_embedder`, are the final layer's too.
        """
        pair = nn.ModuleDict({"t_embedder": self.t_embedder, "y_embedder": self.y_embedder})
        self.own_embedders.extend(copy.deepcopy(pair) for _ in range(self.num_blocks - 1))
        self.embedders = self.num_blocks

    def by_part(self, embedding: Callable[[Any, Any], Tensor]) -> list[Tensor]:
        """What every projection of modulated() reads: `embedding` of its embedders, made once where they are one."""
        first = embedding(self.t_embedder, self.y_embedder)
        own = [embedding(pair["t_embedder"], pair["y_embedder"]) for pair in self.own_embedders]
        return [first, *own, first] if own else [first] * (self.num_blocks + 1)

    def conditions(self, timesteps: Sequence[float], y: Tensor) -> list[Any]:
        """Each evaluation's modulation, worked out ahead; None where the table of all would be too large."""
        labels, which = y.unique(return_inverse=True)
        entries = len(timesteps) * len(labels) * (6 * self.num_blocks + 2) * self.width
        if entries * self.pos_embed.element_size() > TABLE_BYTES:
            return [None] * len(timesteps)
        t = torch.tensor(timesteps, dtype=torch.float32, device=y.device)
        c = self.by_part(lambda t_of, y_of: silu(t_of(t).unsqueeze(1) + y_of(labels)))  # each [E,U,D]
        return list(hoist(self.modulated(), c, which))

    def embed(self, x: Tensor, t: Tensor, y: Tensor, c: Any = None) -> tuple[Tensor, Any]:
        """Tokens [B,T,D] of x [B,C,H,W] at timesteps t [B], labels y [B], and their modulation, `c` if given."""
        if c is None:
            c = Modulation(self.modulated(), self.by_part(lambda t_of, y_of: silu(t_of(t) + y_of(y))))
        return self.x_embedder(x) + self.pos_embed, c

    def layer(self, index: int) -> Any:
        """The module of a branch: a block's attention where `index` is even, its MLP where it is odd."""
        block = self.blocks[index // 2]
        return block.mlp if index % 2 else block.attn

    def branch_input(self, index: int, h: Tensor, c: Any) -> Tensor:
        """LN(h) * (1 + scale) + shift [B,T,D] of tokens h [B,T,D]: adaLN (section 3.2)."""
        block: Any = self.blocks[index // 2]
        first = 3 * (index % 2)
        shift, scale = c(index // 2, first, first + 2)
        norm = block.norm2 if index % 2 else block.norm1
        return norm(h) * (1 + scale) + shift

    def branch(self, index: int, h: Tensor, c: Any) -> Tensor:
        """The branch's output [B,T,D] before its gate, from tokens h [B,T,D]."""
        return self.layer(index)(self.branch_input(index, h, c))

    def residual(self, index: int, h: Tensor, out: Tensor, c: Any) -> Tensor:
        """h + gate * out, all [B,T,D]; the gate [B,1,D] is the third chunk of the branch's modulation."""
        gate_chunk = 3 * (index % 2) + 2
        (gate,) = c(index // 2, gate_chunk, gate_chunk + 1)
        return torch.addcmul(h, gate, out)

    def unembed(self, h: Tensor, c: Any) -> Tensor:
        """Tokens [B,T,D] -> [B,2C,H,W] (noise, variance), or [B,C,H,W] without `learn_sigma`."""
        p, g, C = self.patch_size, self.grid, self.out_channels
        shift, scale = c(self.num_blocks, 0, 2)
        patches = self.final_layer(h, shift, scale).view(-1, g, g, p, p, C)
        return patches.permute(0, 5, 1, 3, 2, 4).reshape(-1, C, g * p, g * p)


class PatchEmbed(nn.Module):
    def __init__(self, patch_size: int, in_channels: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, dim, patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """Patches of x [B,C,H,W] as tokens [B,T,D], row by row."""
        return self.proj(x).flatten(2).transpose(1, 2)  # [B,C,H,W] -> [B,T,D]


class TimestepEmbedder(nn.Module):
    frequency_shift = 0  # 1 in weights that diffusers trained: see timestep_embedding

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(FREQUENCIES, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, t: Tensor) -> Tensor:
        """Timesteps t [B] -> [B,D]."""
        return self.mlp(timestep_embedding(t, FREQUENCIES, self.frequency_shift).to(self.mlp[2].weight.dtype))


class LabelEmbedder(nn.Module):
    def __init__(self, rows: int, dim: int) -> None:
        super().__init__()
        self.embedding_table = nn.Embedding(rows, dim)

    def forward(self, y: Tensor) -> Tensor:
        """Labels y [B], the null class among them -> [B,D]."""
        return self.embedding_table(y)


class DiTBlock(nn.Module):
    """Holds one block's parameters; DiT.branch and DiT.residual are its two halves."""

    def __init__(self, dim: int, num_heads: int, mlp_width: int, attention: type[Attention] = Attention) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS, elementwise_affine=False)
        self.attn = attention(dim, num_heads, qkv_bias=True)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS, elementwise_affine=False)
        self.mlp = Mlp(dim, mlp_width, approximate="tanh")
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))


class FinalLayer(nn.Module):
    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.norm_final = nn.LayerNorm(dim, eps=NORM_EPS, elementwise_affine=False)
        self.linear = nn.Linear(dim, out)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 2 * dim))

    def forward(self, h: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Tokens h [B,T,D], modulated by shift and scale [B,1,D] -> the numbers of each patch [B,T,p p C]."""
        return self.linear(self.norm_final(h) * (1 + scale) + shift)


def sincos_positions(dim: int, grid: int) -> Tensor:
    """Fixed 2-D sinusoids [1,grid^2,dim]: the first half of the channels encodes the column, the second the row."""
    frequencies = 1.0 / 10000 ** (np.arange(dim // 4, dtype=np.float64) / (dim / 4))
    row, column = np.divmod(np.arange(grid**2), grid)

    def encode(position: np.ndarray) -> np.ndarray:
        angles = position[:, None] * frequencies
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)

    return torch.from_numpy(np.concatenate([encode(column), encode(row)], axis=1)).float()[None]
