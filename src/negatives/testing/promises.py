"""Sentences about what must hold, and what several contracts ask in the same way.

A check raises :class:`AssertionError` with the promise that broke and the numbers that show it. Nothing here needs a
test runner.
"""

from __future__ import annotations

import inspect
import io
import pickle
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from negatives.training import checkpoint
from negatives.types import Part, State

C = TypeVar("C")
Check = Callable[[C], None]
"""One promise of a contract: takes a case and raises if it is broken."""


class Remembers(Protocol):
    """Anything with a state: parts, samplers, engines, controllers."""

    def state(self) -> State: ...
    def load_state(self, state: Mapping[str, Any]) -> None: ...


def hold(fact: bool, sentence: str) -> None:
    """Raise with ``sentence`` unless ``fact`` is true; works with ``python -O``, too."""
    if not fact:
        raise AssertionError(sentence)


def run(name: str, case: C, checks: Iterable[Check[C]]) -> None:
    """All checks of a contract on one case.

    Raises:
        AssertionError: A promise is broken; says whose, which, and the numbers.
    """
    for check in checks:
        try:
            check(case)
        except AssertionError as error:
            raise AssertionError(f"{name} breaks a promise ({_words(check)}): {error}") from error


def _words(check: object) -> str:
    """The first sentence of what a check says of itself."""
    return (inspect.getdoc(getattr(check, "func", check)) or "").partition("\n")[0].rstrip(".")


def like(found: Tensor, shape: tuple[int, ...], dtype: torch.dtype, what: str) -> None:
    """A tensor of this shape and kind."""
    hold(tuple(found.shape) == shape, f"{what} has the shape {tuple(found.shape)}, not {shape}")
    hold(found.dtype == dtype, f"{what} is {found.dtype}, not {dtype}")


def same(found: Tensor | None, wanted: Tensor | None, what: str) -> None:
    """Two tensors equal bit by bit, or both absent."""
    if found is None or wanted is None:
        hold(found is None and wanted is None, f"{what} is there once and absent once")
        return
    hold(found.shape == wanted.shape, f"{what} has the shapes {tuple(found.shape)} and {tuple(wanted.shape)}")
    differ = found != wanted
    differ &= ~((found != found) & (wanted != wanted))
    if bool(differ.any()):
        place = tuple(differ.nonzero()[0].tolist())
        share = float(differ.double().mean())
        raise AssertionError(
            f"{what} differs in {100 * share:.3g} % of its places; at {place} it is {found[place]} and {wanted[place]}"
        )


def near(found: Tensor, wanted: Tensor, what: str, *, atol: float = 1e-5, rtol: float = 1e-5) -> None:
    """Two tensors equal up to rounding; infinities and NaN must stand at the same places."""
    hold(found.shape == wanted.shape, f"{what} has the shapes {tuple(found.shape)} and {tuple(wanted.shape)}")
    found, wanted = found.detach().double(), wanted.detach().double()
    fine = torch.isclose(found, wanted, atol=atol, rtol=rtol, equal_nan=True)
    if not bool(fine.all()):
        place = tuple((~fine).nonzero()[0].tolist())
        raise AssertionError(
            f"{what}: {int((~fine).sum())} of {fine.numel()} numbers are wrong; at {place} it is "
            f"{float(found[place]):.9g}, and {float(wanted[place]):.9g} is right"
        )


@contextmanager
def global_randomness_untouched() -> Iterator[None]:
    """What happens inside must leave the global generators of Python, NumPy and PyTorch as they were."""
    before = _generators()
    yield
    for name, state in _generators().items():
        hold(state == before[name], f"the global generator of {name} was used; draw from the key that is passed in")


def _generators() -> dict[str, object]:
    kind, words, *rest = np.random.get_state()  # noqa: NPY002 (the global one is what is watched)
    return {
        "random": random.getstate(),
        "numpy": (kind, np.asarray(words).tobytes(), *rest),
        "torch": torch.get_rng_state().numpy().tobytes(),
    }


def tensors_in(value: object) -> Iterator[Tensor]:
    """Every tensor in nested dictionaries, lists, tuples and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from tensors_in(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from tensors_in(one)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from tensors_in(getattr(value, name))


@contextmanager
def unwritten(*held: object) -> Iterator[None]:
    """What happens inside must not write into the tensors of ``held``."""
    tensors = [one for value in held for one in tensors_in(value)]
    copies = [one.detach().clone() for one in tensors]
    yield
    for index, (now, before) in enumerate(zip(tensors, copies, strict=True)):
        same(now.detach(), before, f"tensor {index} of what was passed in was written to, and")


class _Finder(pickle.Pickler):
    """Every tensor that an object holds, in whatever it holds."""

    def __init__(self, held: object) -> None:
        super().__init__(io.BytesIO())
        self.found: list[Tensor] = []
        self.dump(held)

    def persistent_id(self, value: object) -> str | None:
        if isinstance(value, Tensor):
            self.found.append(value)
            return "tensor"
        if isinstance(value, torch.nn.Module) or (callable(value) and not isinstance(value, Part)):
            return "code"
        return None


def held_tensors(value: object) -> list[Tensor]:
    """Every tensor that an object holds, in whatever it holds."""
    return _Finder(value).found


def moves_whole(part: Part) -> None:
    """``to`` leaves a part as it is where it is already, and moves all of its tensors elsewhere: here to ``meta``."""
    tensors = held_tensors(part)
    where = tensors[0].device if tensors else torch.device("cpu")
    if where.type != "cpu":
        part.to(where)  # what is made anew and still empty lies on the CPU
    before = [id(one) for one in held_tensors(part)]
    part.to(where)
    hold([id(one) for one in held_tensors(part)] == before, "moving to where it is makes new tensors")
    part.to(torch.device("meta"))
    left = [tuple(one.shape) for one in held_tensors(part) if one.device.type != "meta"]
    hold(not left, f"{len(left)} of {len(before)} tensors stay behind when it moves; their shapes are {left}")


def saved(state: Mapping[str, Any]) -> State:
    """A state as a checkpoint gives it back: written to a file and read again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        try:
            checkpoint.save(path, state)
        except TypeError as error:
            raise AssertionError(f"the state cannot be kept: {error}") from error
        return checkpoint.load(path)


@contextmanager
def moved(one: Remembers, *others: Remembers) -> Iterator[None]:
    """Move the state of ``one`` into ``others`` through a checkpoint; what it gave must not change inside.

    Args:
        one: A part that has lived.
        others: The same part, anew.
    """
    given = one.state()
    kept = saved(given)
    for other in others:
        loaded = saved(given)
        with unwritten(loaded):
            other.load_state(loaded)
        if isinstance(other, Part) and (held := next(tensors_in(given), None)) is not None:
            other.to(held.device)  # a file's tensors lie on the CPU
    yield
    hold(alike(given, kept), "a state that was given out changed while the part lived on; give copies")


def alike(one: object, two: object) -> bool:
    """Whether two nested values hold the same, tensors bit by bit."""
    if isinstance(one, Tensor) and isinstance(two, Tensor):
        two = two.to(one.device)  # what comes from a file lies on the CPU
        both_nan = (one != one) & (two != two) if one.is_floating_point() else torch.zeros_like(one, dtype=torch.bool)
        return one.shape == two.shape and one.dtype == two.dtype and bool(((one == two) | both_nan).all())
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return one.keys() == two.keys() and all(alike(one[key], two[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(two, (list, tuple)):
        return len(one) == len(two) and all(alike(a, b) for a, b in zip(one, two, strict=True))
    return type(one) is type(two) and (one == two or (one != one and two != two))
