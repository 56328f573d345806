"""From whatever a training loop has to a scorer."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from negatives.errors import ConfigError
from negatives.scoring.asking import PlaceScorer
from negatives.scoring.vectors import Encoders, EncodesItems, EncodesQueries, Vectors
from negatives.types import Scorer

INNER = ("_orig_mod", "module")
"""Where ``torch.compile`` and the wrappers of data-parallel training keep what they wrap."""


def unwrapped(module: object) -> object:
    """The module inside ``torch.compile``, ``DistributedDataParallel`` or ``FullyShardedDataParallel``, however deep.

    A module that scores or encodes itself is left as it is.

    >>> unwrapped(nn.DataParallel(nn.Linear(1, 1)))
    Linear(in_features=1, out_features=1, bias=True)
    """
    while not _can_be_asked(module):
        inner: Any = next((one for name in INNER if isinstance(one := getattr(module, name, None), nn.Module)), None)
        if inner is None:
            return module
        module = inner
    return module


def as_scorer(given: object) -> Scorer:
    """What a sampler can ask.

    Args:
        given: A model with ``score``; a module with ``encode_queries`` and ``encode_items``, also one that is compiled
            or wrapped for several ranks; or :class:`negatives.scoring.Vectors`.

    Raises:
        ConfigError: It is none of these; says what to give.
    """
    inner = unwrapped(given)
    if isinstance(inner, (Scorer, PlaceScorer)):
        return inner  # type: ignore[return-value]
    if hasattr(inner, "score"):
        return _Scoring(inner)  # type: ignore[return-value]
    if isinstance(inner, EncodesQueries) and isinstance(inner, EncodesItems):
        return Encoders(inner)
    raise ConfigError(
        f"a {type(inner).__name__} cannot be asked for scores; give it encode_queries(ids) and encode_items(ids), or "
        "pass Vectors(queries=..., items=...) with the vectors of the batch and a table or encoder of items"
    )


def device_of(scorer: object, ids: object) -> torch.device:
    """Where draws are to be made: where the model is, else where the ids are.

    A scorer that is no module may say where it is by its attribute ``device``.

    >>> device_of(nn.Linear(1, 1), [0])
    device(type='cpu')
    """
    inner = unwrapped(scorer)
    if isinstance(inner, Encoders):
        inner = inner.module
    if isinstance(inner, Vectors):
        return inner.queries.device
    if isinstance(inner, nn.Module) and (held := next(chain(inner.parameters(), inner.buffers()), None)) is not None:
        return held.device
    told = getattr(inner, "device", None)
    if isinstance(told, (torch.device, str)):
        return torch.device(told)
    return ids.device if isinstance(ids, Tensor) else torch.device("cpu")


def _can_be_asked(module: object) -> bool:
    return hasattr(type(module), "score") or hasattr(type(module), "encode_items")


class _Scoring:
    """A model that scores and does not encode; what needs vectors is told so."""

    def __init__(self, model: Any) -> None:
        self.score = model.score
        self.model = model

    def __getattr__(self, name: str) -> Any:
        if name in ("encode_queries", "encode_items") and not hasattr(self.model, name):
            raise ConfigError(
                f"this sampler asks for vectors, and {type(self.model).__name__} has no {name}(ids); add it"
            )
        return getattr(self.model, name)
