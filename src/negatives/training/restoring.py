"""Bring a training to the state of a checkpoint, once it is known to be of this training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from negatives.errors import InputError
from negatives.training.loop import Loop
from negatives.types import State

HINT = "delete it to go on from one before it, or choose another --out to train anew"


def restore(loop: Loop, state: State, path: Path) -> None:
    """Let a training go on from a state.

    Args:
        loop: At its start, with all its listeners.
        state: What :meth:`Loop.state` gave.
        path: Where it was read, for messages.

    Raises:
        InputError: It is not a state of this training.
    """
    if fault := _fault(state, loop.state(), loop.total_steps):
        raise InputError(fault, path=path, hint=HINT)
    try:
        loop.load_state(state)
    except (KeyError, IndexError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise InputError("does not fit this run", path=path, hint=HINT) from error


def _fault(state: State, fresh: State, steps: int) -> str:
    """What is wrong with a state beside that of a training which has not begun; empty where nothing is."""
    if state.keys() != fresh.keys():
        odd = sorted(state.keys() ^ fresh.keys())
        return f"is of another kind of training: {odd[0]!r} stands in one of the two alone"
    if type(state["steps"]) is not int or not 0 <= state["steps"] <= steps:
        return f"speaks of {state['steps']} steps done; the run has 0 to {steps}"
    seconds = state["seconds"]
    if not isinstance(seconds, (int, float)) or not math.isfinite(seconds) or seconds < 0:
        return f"speaks of {seconds} seconds of training"
    for key in ("model", "best_model"):
        if (key == "model" or state[key]) and (fault := _of_weights(state[key], fresh["model"])):
            return fault
    return _of_shapes(state["engine"], fresh["engine"], "engine")


def _of_weights(found: object, wanted: Mapping[str, Tensor]) -> str:
    if not isinstance(found, Mapping) or found.keys() != wanted.keys():
        return "holds the weights of another model"
    for name, tensor in found.items():
        if not isinstance(tensor, Tensor) or (tensor.shape, tensor.dtype) != (wanted[name].shape, wanted[name].dtype):
            return f"its weights {name} are of another shape or type than the model's"
        if bool(tensor.isnan().any()):
            return f"its weights {name} hold NaN"
    return ""


def _of_shapes(found: Any, wanted: Any, place: str) -> str:
    """Tensors of the same place have the same shape; what only one of the two has does not count."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return next(filter(None, (_of_shapes(found[k], wanted[k], f"{place}.{k}") for k in found if k in wanted)), "")
    if isinstance(wanted, Tensor) and (not isinstance(found, Tensor) or found.shape != wanted.shape):
        return f"its {place} is of another shape"
    return ""
