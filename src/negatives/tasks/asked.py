"""What a configuration asks for beyond names: the loss that a sampler brings, and how it draws."""

from __future__ import annotations

from negatives.config import RunConfig
from negatives.losses import registry as losses
from negatives.sampler import preset, presets


def asked_loss(config: RunConfig) -> str | None:
    """The loss that was asked for, else the one that the sampler was published with, else None."""
    loss, sampler = config.asked("loss"), config.asked("sampler")
    return preset(str(sampler)).brings if loss is None and sampler in presets else loss


def pairwise(loss: str | None) -> bool:
    """Whether one negative of the row's own makes a whole loss; False where none was asked for."""
    return loss is not None and losses.get(loss).pairwise


def pointwise(loss: str | None) -> bool:
    """Whether each score counts by itself; False where none was asked for."""
    return loss is not None and losses.get(loss).pointwise


def pools(sampler: str | None) -> bool | None:
    """Whether a sampler draws one pool for the whole batch, or can; None where it is no preset."""
    if sampler not in presets:
        return None
    one = preset(str(sampler))
    return "pool" in (one.listwise or one.parts)
