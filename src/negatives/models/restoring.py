"""Models that are built to take in the weights of a finished run, and so need no first values.

A model that has a file format of its own stands there in files beside the others; see
:meth:`negatives.models.Model.write_files`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_RESTORING: ContextVar[bool] = ContextVar("restoring", default=False)
_FOLDER: ContextVar[Path | None] = ContextVar("folder", default=None)
DRAWS = (Tensor.normal_, Tensor.uniform_, torch.nn.init.uniform_, torch.nn.init.kaiming_uniform_)
"""What fills a tensor with first values."""


class _NoDraws(TorchFunctionMode):
    """Leaves tensors as they are where they would be filled at random."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in DRAWS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


@contextmanager
def restoring() -> Iterator[None]:
    """Within it, models are built without drawing or computing first values: a saved state is loaded afterwards."""
    token = _RESTORING.set(True)
    try:
        with _NoDraws():
            yield
    finally:
        _RESTORING.reset(token)


def is_restoring() -> bool:
    """Whether first values are needless, so that a costly start may be left out."""
    return _RESTORING.get()


@contextmanager
def files_from(folder: Path) -> Iterator[None]:
    """Within it, models that have files of their own in the folder of a finished run are built from these."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def own_files(name: str) -> Path | None:
    """The files of that name in the folder of the run that a model is built for; None where there are none."""
    folder = _FOLDER.get()
    return folder / name if folder is not None and (folder / name).exists() else None
