"""Adaptive negative sampling for anyone who trains embeddings or rankers.

Everything below loads on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from negatives import control, errors, guards, losses, models, proposals, selection
    from negatives.answering import Run
    from negatives.config import RunConfig
    from negatives.control import Hold, Linear
    from negatives.data.loading.pairs import load_pairs
    from negatives.guards import AbsoluteMargin, KnownPositives, OwnPositive, RelativeMargin
    from negatives.proposals import InBatch, LearnedUnigram, Mixed, Popularity, Uniform
    from negatives.runs.opening import load
    from negatives.runs.pretrained import from_pretrained
    from negatives.runs.training import train
    from negatives.sampler.build import build
    from negatives.sampler.collate import Collate, Pairs
    from negatives.sampler.core import Sampler
    from negatives.sampler.own import Package
    from negatives.scoring import Items, Stale, Vectors
    from negatives.selection import All, Hardest, PositiveSimilarity, Random, SelfAdversarial, Softmax, TopM
    from negatives.types import Candidates, Catalogue, Context, Csr, Negatives, Scorer

    sampler: Package

_NAMES = {
    "config": "RunConfig",
    "control": "Hold Linear",
    "data.loading.pairs": "load_pairs",
    "guards": "AbsoluteMargin KnownPositives OwnPositive RelativeMargin",
    "proposals": "InBatch LearnedUnigram Mixed Popularity Uniform",
    "answering": "Run",
    "runs.opening": "load",
    "runs.pretrained": "from_pretrained",
    "runs.training": "train",
    "sampler.build": "build",
    "sampler.core": "Sampler",
    "sampler.collate": "Collate Pairs",
    "scoring": "Items Stale Vectors",
    "selection": "All Hardest PositiveSimilarity Random SelfAdversarial Softmax TopM",
    "types": "Candidates Catalogue Context Csr Negatives Scorer",
}
_WHERE = {name: f"negatives.{module}" for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("negatives")
    if name in __all__:
        return importlib.import_module(f"negatives.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "AbsoluteMargin",
    "All",
    "Candidates",
    "Catalogue",
    "Collate",
    "Context",
    "Csr",
    "Hardest",
    "Hold",
    "InBatch",
    "Items",
    "KnownPositives",
    "LearnedUnigram",
    "Linear",
    "Mixed",
    "Negatives",
    "OwnPositive",
    "Pairs",
    "Popularity",
    "PositiveSimilarity",
    "Random",
    "RelativeMargin",
    "Run",
    "RunConfig",
    "Sampler",
    "Scorer",
    "SelfAdversarial",
    "Softmax",
    "Stale",
    "TopM",
    "Uniform",
    "Vectors",
    "build",
    "control",
    "errors",
    "from_pretrained",
    "guards",
    "load",
    "load_pairs",
    "losses",
    "models",
    "proposals",
    "sampler",
    "selection",
    "train",
]
