"""A digest of a model's weights, for caches of what a model gave."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor

from negatives.types import raw


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """A digest of a model's weights: the same for the same numbers, whatever the model is called.

    PyTorch's own version counters will not do: its fused optimisers change weights without counting.
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(raw(tensor).data)
    return digest.hexdigest()
