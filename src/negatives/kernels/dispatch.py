"""Which backend serves a tensor: the only place that decides it.

Kernels stand in families (draws, scores, words, ...). A family has one name everywhere: ``kernels/draw.py`` says what
the functions promise, and ``draw.py`` in the folder of each backend holds them. Another backend is a folder with some
of these modules, and a row of :data:`BACKENDS`; what it lacks is left to the next row that has it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from types import ModuleType

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Backend:
    """A folder of kernels.

    Args:
        package: Where its modules are, one for each family that it has.
        devices: Kinds of device whose tensors it serves unasked: all for None, and none where it must be asked for.
        needs: A package without which it serves nothing unasked, or None.
    """

    package: str
    devices: tuple[str, ...] | None = ()
    needs: str | None = None

    def serves(self, device: str) -> bool:
        """Whether tensors on this kind of device are its own, unasked."""
        mine = self.devices is None or device in self.devices
        return mine and (self.needs is None or _installed(self.needs))


BACKENDS: dict[str, Backend] = {
    "numba": Backend("negatives.kernels.jit", ("cpu",)),
    "triton": Backend("negatives.kernels.triton", ("cuda",), needs="triton"),
    "torch": Backend("negatives.kernels.tensor", None),
    "numpy": Backend("negatives.kernels.naive"),
}
"""Backends by name, the preferred first."""

_forced: list[str] = [os.environ["NEGATIVES_KERNELS"]] if "NEGATIVES_KERNELS" in os.environ else []


@contextmanager
def use(backend: str) -> Iterator[None]:
    """Run the block with one backend: ``numba``, ``triton``, ``torch`` or ``numpy``.

    Raises:
        ValueError: No backend has this name.
    """
    _row(backend)
    _forced.append(backend)
    try:
        yield
    finally:
        _forced.pop()


def serve(family: str, tensor: Tensor | None = None) -> ModuleType:
    """The module of a family that serves this tensor.

    The backend that was asked for, by :func:`use` or the variable ``NEGATIVES_KERNELS``, comes first; then those that
    serve the tensor's device, in the order of their rows. The first that has the family takes it.

    Args:
        family: A module's name.
        tensor: What the device is read from; None for work that is done on the CPU.

    Raises:
        ValueError: No backend has this family for the device, or the variable names none.
    """
    device = "cpu" if tensor is None else tensor.device.type
    asked = [_row(_forced[-1])] if _forced else []
    for row in (*asked, *(row for row in BACKENDS.values() if row.serves(device))):
        found = _module(row.package, family)
        if found is not None:
            return found
    raise ValueError(f"no kernels of the family {family} work on {device}; move the tensors to the CPU")


def _row(name: str) -> Backend:
    if name not in BACKENDS:
        raise ValueError(f"{name!r} is none of {', '.join(BACKENDS)}")
    return BACKENDS[name]


@cache
def _installed(package: str) -> bool:
    return find_spec(package) is not None


@cache
def _module(package: str, family: str) -> ModuleType | None:
    name = f"{package}.{family}"
    return importlib.import_module(name) if find_spec(name) else None
