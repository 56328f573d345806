"""Random orders."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import inner_kernel
from negatives.kernels.jit.mix import mix
from negatives.randomness import EXAMPLE_STEP

_E = np.uint64(EXAMPLE_STEP)


@inner_kernel
def _shuffle(key, order):
    """Fisher and Yates; place ``i`` swaps with ``hash(key, i) mod (i + 1)``."""
    for i in range(order.size - 1, 0, -1):
        j = np.int64(mix(mix(key ^ np.uint64(i) * _E)) % np.uint64(i + 1))
        order[i], order[j] = order[j], order[i]


def shuffled(key: int, n: int) -> Tensor:
    order = np.arange(n, dtype=np.int64)
    _shuffle(np.uint64(key), order)
    return torch.from_numpy(order)
