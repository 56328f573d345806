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
    from negatives.data.loading import load_pairs as load_pairs
    from negatives.sampler.build import build as build
    from negatives.sampler.core import Sampler as Sampler
    from negatives.types import Candidates as Candidates
    from negatives.types import Catalogue as Catalogue
    from negatives.types import Context as Context
    from negatives.types import Csr as Csr
    from negatives.types import Negatives as Negatives
    from negatives.types import Scorer as Scorer

_MODULES = ("control", "errors", "guards", "losses", "models", "proposals", "selection")
_WHERE = {
    "Candidates": "negatives.types",
    "Catalogue": "negatives.types",
    "Context": "negatives.types",
    "Csr": "negatives.types",
    "Negatives": "negatives.types",
    "RunConfig": "negatives.config",
    "Sampler": "negatives.sampler.core",
    "Scorer": "negatives.types",
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
    "Candidates",
    "Catalogue",
    "Context",
    "Csr",
    "Negatives",
    "RunConfig",
    "Sampler",
    "Scorer",
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
