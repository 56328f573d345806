"""Models of knowledge graphs; one file each."""

from negatives.models.knowledge.base import ComposedModel, Regularisation

__all__ = ["ComposedModel", "Regularisation"]
