"""Models of knowledge graphs; one file each."""

from negatives.models.knowledge.base import ComposedModel

__all__ = ["ComposedModel"]
