"""Initial embeddings from the leading singular vectors of the interaction matrix.

Randomised subspace iteration (Halko et al., 2011) on ``D_q^-1/2 B D_i^-1/2``. Training from there needs fewer
epochs than from noise, because the coarse structure of the data is in place before the first step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.models.propagation import Operator
from negatives.models.restoring import is_restoring
from negatives.randomness import generator

OVERSAMPLING = 16


def leading(
    operator: Operator, dim: int, more: int, passes: int, random: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """The leading singular triplets ``U (n, kept)``, ``S (kept,)``, ``V (m, kept)``.

    ``kept`` is ``dim``, or the smaller side of the matrix where that is less.

    Args:
        operator: The matrix ``(n, m)``.
        dim: Number of triplets.
        more: Columns beyond ``dim`` that are iterated for accuracy.
        passes: Passes of the subspace iteration.
        random: Where the start is drawn from.
    """
    back = operator.transposed()
    n, m = (side[0].numel() - 1 for side in (operator.forward, operator.backward))
    if is_restoring():
        kept = min(dim, n, m)
        return torch.zeros(n, kept), torch.zeros(kept), torch.zeros(m, kept)
    right = torch.randn(m, min(dim + more, n, m), generator=random)
    for _ in range(passes):
        left = torch.linalg.qr(operator @ right).Q
        right = torch.linalg.qr(back @ left).Q
    left, values, mixing = torch.linalg.svd(operator @ right, full_matrices=False)
    return left[:, :dim], values[:dim], (right @ mixing.T)[:, :dim]


def spectral_vectors(operator: Operator, dim: int, std: float, key: int, passes: int = 3) -> tuple[Tensor, Tensor]:
    """``U sqrt(S)`` and ``V sqrt(S)`` of the leading ``dim`` singular triplets, scaled to a standard deviation.

    Args:
        operator: Normalised interactions ``(n_queries, n_items)``.
        dim: Number of triplets.
        std: Standard deviation of all returned values taken together.
        key: Seed of the random start.
        passes: Passes of the subspace iteration.

    Returns:
        ``(n_queries, dim)`` and ``(n_items, dim)``; columns beyond the rank hold noise of the same deviation.
    """
    random = generator(key)
    left, values, right = leading(operator, dim, OVERSAMPLING, passes, random)
    kept, n_queries = values.numel(), len(left)
    scale = values.clamp(min=0).sqrt()
    both = torch.cat([left * scale, right * scale])
    both = both * (std / both.std().clamp(min=1e-12))
    if kept < dim:
        both = torch.cat([both, torch.randn(len(both), dim - kept, generator=random) * std], 1)
    return both[:n_queries].contiguous(), both[n_queries:].contiguous()
