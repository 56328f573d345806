"""What the façade asks of arguments before a kernel follows them."""

from __future__ import annotations

from torch import Tensor

from negatives.types import Csr


def same(left: object, right: object, what: str) -> None:
    """Refuse sizes that differ.

    Raises:
        ValueError: They do.
    """
    if left != right:
        raise ValueError(f"{what} must have the same size, not {left} and {right}")


def fit(rows: int, queries: Tensor | None, known: Csr | None, n_items: int) -> None:
    """Refuse known sets that do not belong to the rows and the items.

    Raises:
        ValueError: They do not.
    """
    if queries is not None:
        same(queries.numel(), rows, "queries and rows")
    if queries is None and known is not None:
        raise ValueError("known sets need the queries that own them; give queries too")
    if known is not None and known.n_cols > n_items:
        raise ValueError(f"the known sets name up to {known.n_cols} items, but there are {n_items}")


def all_ok(ok: Tensor) -> bool:
    """True when ``ok`` is one expanded True, which costs no pass to find out."""
    return ok.numel() > 0 and ok.stride() == (0, 0) and bool(ok[0, 0])
