"""Latent semantic analysis: the start of token vectors (Deerwester et al., 1990)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from negatives.data.tokens import Bags
from negatives.models.propagation import Operator
from negatives.randomness import generator

OVERSAMPLING = 32


def latent_vectors(bags: Bags, weights: Tensor, dim: int, key: int, passes: int = 2) -> Tensor:
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
    operator = _weighted(bags, weights)
    back = Operator(operator.backward, operator.forward)
    random = generator(key)
    width = min(dim + OVERSAMPLING, bags.n_rows, bags.n_tokens)
    right = torch.randn(bags.n_tokens, width, generator=random)
    for _ in range(passes):
        left = torch.linalg.qr(operator @ right).Q
        right = torch.linalg.qr(back @ left).Q
    _, _, mixing = torch.linalg.svd(operator @ right, full_matrices=False)
    found = (right @ mixing.T)[:, :dim]
    if found.shape[1] < dim:
        noise = torch.randn(bags.n_tokens, dim - found.shape[1], generator=random) * 1e-3
        found = torch.cat([found, noise], 1)
    whole: Tensor = found.contiguous()
    return whole


def _weighted(bags: Bags, weights: Tensor) -> Operator:
    """The matrix ``(texts, tokens)`` of weighted values, rows at unit length, with its transpose."""
    rows = torch.repeat_interleave(torch.arange(bags.n_rows), bags.indptr.diff())
    values = bags.values * weights[bags.indices]
    norms = torch.zeros(bags.n_rows).index_add_(0, rows, values**2).sqrt().clamp(min=1e-12)
    values = values / norms[rows]
    order = torch.argsort(bags.indices, stable=True)
    indptr = functional.pad(bags.frequencies().cumsum(0), (1, 0))
    forward = bags.indptr, bags.indices.to(torch.int32), values
    return Operator(forward, (indptr, rows[order].to(torch.int32), values[order]))


__all__ = ["latent_vectors"]
