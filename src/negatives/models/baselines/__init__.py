"""Simple methods that the people of a field know: computed from the data's facts, with nothing to train."""

from negatives.models.baselines.base import CountedModel, Sizes

__all__ = ["CountedModel", "Sizes"]
