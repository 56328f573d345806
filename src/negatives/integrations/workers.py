"""Draws in the workers of a loader, which are started anew for each epoch with what their parent had."""

from __future__ import annotations

from torch.utils.data import get_worker_info


def epoch_of_workers() -> int:
    """A number of the epoch that all workers of a loader share, from PyTorch's seed; 0 in the training's own process.

    A worker begins each epoch with the sampler as it was before the first one: without an epoch, it would draw the
    same in all of them.

    >>> epoch_of_workers()
    0
    """
    worker = get_worker_info()
    return 0 if worker is None else (worker.seed - worker.id) % (1 << 31)
