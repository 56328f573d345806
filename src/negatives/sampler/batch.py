"""A batch as a training loop has it, made into rows one after another, and answers given back in the loop's shape."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from negatives.errors import ConfigError, InputError
from negatives.scoring import Vectors
from negatives.types import Ids, Negatives, shared_pool, within

PLACES = 1 << 20
"""Most places of a sequence that have a number of their own where examples are numbered by sequence."""


def whole(name: str, ids: Ids, device: torch.device | None = None) -> Tensor:
    """Ids as an int64 tensor, on ``device`` if one is given.

    Raises:
        InputError: They are no whole numbers.

    >>> whole("item", np.array([3, 1], dtype=np.uint16))
    tensor([3, 1])
    """
    if not isinstance(ids, Tensor):
        try:
            array = np.asarray(ids)
        except ValueError:
            raise InputError(f"{name} ids are lists of several lengths", hint="pad them, and give mask=") from None
        if array.size and array.dtype.kind not in "iu":
            raise InputError(f"{name} ids are {array.dtype}", hint="give whole numbers, 0 to the number of them less 1")
        ids = torch.from_numpy(np.array(array, dtype=np.int64))
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise InputError(
            f"{name} ids are {str(ids.dtype).removeprefix('torch.')}", hint="give whole numbers, such as int64"
        )
    return ids.to(device=device, dtype=torch.int64)


def as_mask(items: Ids, n_items: int) -> Tensor:
    """``(n_items,)`` bool, True for items that were given as such a mask or by their ids.

    Args:
        items: The mask or the ids.
        n_items: Number of items; 0 where it is not known, and then only a mask will do.

    Raises:
        InputError: It is neither, or True for all items.
        ConfigError: Ids, and the number of items is not known.

    >>> as_mask([0, 2], 3).tolist()
    [True, False, True]
    """
    given = items if isinstance(items, Tensor) else torch.as_tensor(np.array(items))
    if given.dtype == torch.bool:
        mask = given.clone()
        if mask.shape != (n_items or len(mask),):
            raise InputError(f"a mask of items has the shape {tuple(mask.shape)}", hint=f"give ({n_items},)")
    elif not n_items:
        raise ConfigError("the sampler does not know how many items there are; bind it first, or give a mask of bool")
    else:
        ids = whole("item", items)
        within("item", ids, n_items)
        mask = torch.zeros(n_items, dtype=torch.bool, device=ids.device)
        mask[ids] = True
    if bool(mask.all()):
        raise InputError("no item is left to draw", hint="leave some out of what is never drawn")
    return mask


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows for which negatives are wanted.

    Args:
        queries: ``(rows,)`` int64.
        positives: ``(rows,)`` int64.
        shape: That of the positives as they were given.
        mask: Of that shape, bool, the places of the rows; None where none is padding.
        at: ``(rows,)`` int64, where among all positives each row stands; None where none is padding.
        places: ``(rows,)`` int64, where in the vectors of the loop each row stands; None where they are all rows.
    """

    queries: Tensor
    positives: Tensor
    shape: torch.Size
    mask: Tensor | None = None
    at: Tensor | None = None
    places: Tensor | None = None

    @classmethod
    def of(cls, queries: Ids | None, positives: Ids, mask: Ids | None, scorer: object, device: torch.device) -> Batch:
        """Read what the loop gave; the arguments are those of :meth:`negatives.sampler.Sampler.__call__`.

        Raises:
            InputError: The shapes do not go together, or ids are no whole numbers.
        """
        items = whole("positive", positives, device)
        shape = items.shape
        if len(shape) not in (1, 2):
            raise InputError(f"positives have the shape {tuple(shape)}", hint="give (rows,) or (batch, length)")
        kept = None if mask is None else _mask(mask, shape, device)
        if queries is not None:
            of = _as_positives(whole("query", queries, device), shape)
        else:
            of = torch.arange(shape.numel(), device=device).view(shape)
        at = None if kept is None else kept.flatten().nonzero()[:, 0]  # one wait for the device, and no other
        places, of, items = _places(scorer, shape, at), of.flatten(), items.flatten()
        return cls(of, items, shape) if at is None else cls(of[at], items[at], shape, kept, at, places)

    @property
    def rows(self) -> int:
        return self.positives.numel()

    def examples(self, given: Ids | None, first: int) -> Tensor:
        """``(rows,)`` int64 number of each row in the training set: those that were given, else counted from ``first``.

        Raises:
            InputError: They do not go with the positives.
        """
        device = self.positives.device
        if given is None:
            return torch.arange(first, first + self.rows, device=device)
        found = whole("example", given, device)
        if found.shape == self.shape[:1] and len(self.shape) == 2:
            found = found[:, None] * PLACES + torch.arange(self.shape[1], device=device)
        if found.shape != self.shape:
            raise InputError(
                f"examples have the shape {tuple(found.shape)} for positives of {tuple(self.shape)}",
                hint="give one number for each row or for each sequence",
            )
        return found.flatten() if self.at is None else found.flatten()[self.at]

    def answer(self, found: Negatives) -> Negatives:
        """Negatives of the rows in the shape of the batch; a pool stays a view."""
        if self.mask is None and len(self.shape) == 1:
            return found
        parts = {one.name: self._spread(getattr(found, one.name)) for one in fields(found)[:-1]}
        return replace(found, mask=self.mask, **parts)  # type: ignore[arg-type]

    def _spread(self, part: Tensor | None) -> Tensor | None:
        if part is None:
            return None
        if part.dtype == torch.bool and part.dim() == 2 and part.numel() and part.stride(1) == 0:  # one flag a row
            flags = self._spread(part[:, 0])
            return None if flags is None else flags.unsqueeze(-1).expand(*self.shape, part.shape[1])
        if (pool := shared_pool(part)) is not None and part.dtype != torch.bool:
            return pool.expand(*self.shape, -1)
        if self.at is None:
            return part.reshape(*self.shape, *part.shape[1:])
        found = part.new_zeros((self.shape.numel(), *part.shape[1:]))
        found[self.at] = part
        return found.view(*self.shape, *part.shape[1:])


def _mask(mask: Ids, shape: torch.Size, device: torch.device) -> Tensor:
    found = torch.as_tensor(np.array(mask) if not isinstance(mask, Tensor) else mask, device=device) != 0
    if found.shape != shape:
        raise InputError(
            f"mask has the shape {tuple(found.shape)} for positives of {tuple(shape)}",
            hint="give True for each positive that is there, False for padding",
        )
    return found


def _as_positives(queries: Tensor, shape: torch.Size) -> Tensor:
    """One query for each positive."""
    if queries.shape == shape[:1] and len(shape) == 2:
        return queries[:, None].expand(shape)
    if queries.shape != shape:
        if queries.dim() == len(shape) == 1:
            raise InputError(f"{queries.numel()} queries for {shape.numel()} positives", hint="give one for each row")
        raise InputError(
            f"queries have the shape {tuple(queries.shape)} for positives of {tuple(shape)}",
            hint=f"give {'(rows,)' if len(shape) == 1 else '(batch,) or (batch, length)'}",
        )
    return queries


def _places(scorer: object, shape: torch.Size, at: Tensor | None) -> Tensor | None:
    """Where the rows stand among the loop's vectors, which are those of all rows or of those that count alone."""
    if not isinstance(scorer, Vectors):
        return None
    if scorer.shape == shape or scorer.shape == (shape.numel(),):
        return at
    kept = shape.numel() if at is None else at.numel()
    if scorer.shape != (kept,):
        also = "" if at is None else f", or for the {kept} that count"
        raise InputError(
            f"vectors of {tuple(scorer.shape)} rows for positives of {tuple(shape)}",
            hint=f"give one vector for each positive{also}",
        )
    return None
