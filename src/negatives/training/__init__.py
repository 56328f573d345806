"""The training loop, its optimisers, and checkpoints."""

from negatives.errors import Interrupted

__all__ = ["Interrupted"]
