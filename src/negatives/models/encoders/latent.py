"""Latent semantic analysis: the start of token vectors (Deerwester et al., 1990)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from negatives.data.pairs import SparseFeatures
from negatives.models.propagation import matrix_of
from negatives.models.spectral import leading
from negatives.randomness import generator

OVERSAMPLING = 32


def latent_vectors(bags: SparseFeatures, weights: Tensor, dim: int, key: int, passes: int = 2) -> Tensor:
    """Leading right singular vectors ``(n_tokens, dim)`` of the weighted bags, rows at unit length.

    With these as token vectors, the inner product of two texts is that of their bags, smoothed to ``dim`` dimensions.
    Randomised subspace iteration (Halko et al., 2011). Columns beyond the rank hold small noise.

    Args:
        bags: Texts, with values that do not hold the weights.
        weights: ``(n_tokens,)``, weight of each token.
        dim: Number of vectors.
        key: Seed of the random start.
        passes: Passes of the iteration.
    """
    operator = matrix_of(replace(bags, values=bags.values * weights[bags.indices]).unit())
    random = generator(key)
    _, _, found = leading(operator, dim, OVERSAMPLING, passes, random)
    if found.shape[1] < dim:
        noise = torch.randn(bags.n_cols, dim - found.shape[1], generator=random) * 1e-3
        found = torch.cat([found, noise], 1)
    whole: Tensor = found.contiguous()
    return whole
