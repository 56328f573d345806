"""How the parts of a sampler ask a model, and what can stand in a model's place.

A part asks by :func:`scores_of` and :func:`query_vectors` with the rows of a batch, never a scorer itself: rows of one
query may have vectors of their own, as places of a sequence do. :func:`as_scorer` makes a scorer of whatever a training
loop has: a model, a wrapped module, or :class:`Vectors` that it has computed already.
"""

from negatives.scoring.asking import PlaceScorer, first_rows, query_vectors, scores_of
from negatives.scoring.items import Items
from negatives.scoring.numbering import distinct
from negatives.scoring.stale import Stale
from negatives.scoring.vectors import Encoders, Vectors
from negatives.scoring.wrapping import as_scorer, device_of, unwrapped

__all__ = [
    "Encoders",
    "Items",
    "PlaceScorer",
    "Stale",
    "Vectors",
    "as_scorer",
    "device_of",
    "distinct",
    "first_rows",
    "query_vectors",
    "scores_of",
    "unwrapped",
]
