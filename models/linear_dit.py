"""A DiT whose attention is linear in the number of tokens (Katharopoulos et al., arXiv 2006.16236)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import elu

from models.denoiser import Attention
from models.dit import DiT
from models.dit_variants import LinearStructure


class LinearAttention(Attention):
    """Attention with φ(q)ᵀ φ(k), φ = elu + 1, in place of exp(qᵀ k): no T × T matrix is made (equations 5 to 7)."""

    def forward(self, x: Tensor) -> Tensor:
        """φ(Q) (φ(K)ᵀ V) / φ(Q) Σ φ(K) of x [B,T,D], projected: [B,T,D]."""
        q, k, v = self.project(x)
        q, k = elu(q) + 1, elu(k) + 1
        total = (q * k.sum(dim=2, keepdim=True)).sum(dim=3, keepdim=True)  # [B,H,T,1], positive as φ is
        out = q @ (k.transpose(2, 3) @ v) / total
        return self.proj(out.transpose(1, 2).reshape(x.shape))


class LinearDiT(LinearStructure, DiT):
    """Weights have the names and shapes of DiT's."""

    attention = LinearAttention
