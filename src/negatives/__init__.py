"""Adaptive negative sampling for anyone who trains embeddings or rankers.

Everything below loads on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from negatives import control as control
    from negatives import errors as errors
    from negatives import guards as guards
    from negatives import losses as losses
    from negatives import models as models
    from negatives import proposals as proposals
    from negatives import selection as selection
    from negatives.config import RunConfig as RunConfig
    from negatives.control import Hold as Hold
    from negatives.control import Linear as Linear
    from negatives.data.loading import load_pairs as load_pairs
    from negatives.guards import AbsoluteMargin as AbsoluteMargin
    from negatives.guards import KnownPositives as KnownPositives
    from negatives.guards import OwnPositive as OwnPositive
    from negatives.guards import RelativeMargin as RelativeMargin
    from negatives.proposals import InBatch as InBatch
    from negatives.proposals import LearnedUnigram as LearnedUnigram
    from negatives.proposals import Mixed as Mixed
    from negatives.proposals import Popularity as Popularity
    from negatives.proposals import Uniform as Uniform
    from negatives.sampler.build import build as build
    from negatives.sampler.core import Sampler as Sampler
    from negatives.selection import All as All
    from negatives.selection import Hardest as Hardest
    from negatives.selection import PositiveSimilarity as PositiveSimilarity
    from negatives.selection import Random as Random
    from negatives.selection import SelfAdversarial as SelfAdversarial
    from negatives.selection import Softmax as Softmax
    from negatives.selection import TopM as TopM
    from negatives.types import Candidates as Candidates
    from negatives.types import Catalogue as Catalogue
    from negatives.types import Context as Context
    from negatives.types import Csr as Csr
    from negatives.types import Negatives as Negatives
    from negatives.types import Scorer as Scorer

_MODULES = ("control", "errors", "guards", "losses", "models", "proposals", "selection")
_WHERE = {
    "AbsoluteMargin": "negatives.guards",
    "All": "negatives.selection",
    "Candidates": "negatives.types",
    "Catalogue": "negatives.types",
    "Context": "negatives.types",
    "Csr": "negatives.types",
    "Hardest": "negatives.selection",
    "Hold": "negatives.control",
    "InBatch": "negatives.proposals",
    "KnownPositives": "negatives.guards",
    "LearnedUnigram": "negatives.proposals",
    "Linear": "negatives.control",
    "Mixed": "negatives.proposals",
    "Negatives": "negatives.types",
    "OwnPositive": "negatives.guards",
    "Popularity": "negatives.proposals",
    "PositiveSimilarity": "negatives.selection",
    "Random": "negatives.selection",
    "RelativeMargin": "negatives.guards",
    "RunConfig": "negatives.config",
    "Sampler": "negatives.sampler.core",
    "Scorer": "negatives.types",
    "SelfAdversarial": "negatives.selection",
    "Softmax": "negatives.selection",
    "TopM": "negatives.selection",
    "Uniform": "negatives.proposals",
    "build": "negatives.sampler.build",
    "load_pairs": "negatives.data.loading",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name in _MODULES:
        return importlib.import_module(f"negatives.{name}")
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("negatives")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "AbsoluteMargin",
    "All",
    "Candidates",
    "Catalogue",
    "Context",
    "Csr",
    "Hardest",
    "Hold",
    "InBatch",
    "KnownPositives",
    "LearnedUnigram",
    "Linear",
    "Mixed",
    "Negatives",
    "OwnPositive",
    "Popularity",
    "PositiveSimilarity",
    "Random",
    "RelativeMargin",
    "RunConfig",
    "Sampler",
    "Scorer",
    "SelfAdversarial",
    "Softmax",
    "TopM",
    "Uniform",
    "build",
    "control",
    "errors",
    "guards",
    "load_pairs",
    "losses",
    "models",
    "proposals",
    "selection",
]
