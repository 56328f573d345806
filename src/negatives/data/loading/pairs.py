"""Load pairs from a file, a folder or the offline data, and divide them into parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from negatives.data import splits
from negatives.data.encode import Numbered, contains, number
from negatives.data.loading.named import named, short_name
from negatives.data.pairs import PairData, Pairs
from negatives.data.readers import Options, read
from negatives.data.readers.schema import PAIRS
from negatives.data.table import Table, joined
from negatives.errors import ConfigError, InputError

VALID_CAP = 20_000
MOST_OF_A_QUERY = 0.3
"""Largest share of a query's pairs that the validation part takes."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How much is held back: shares of the pairs (of the items for cold items), each from 0 to below 1."""

    test: float
    valid: float
    canaries: float


def load_pairs(
    data: Any,
    *,
    split: str = "auto",
    test: float = 0.2,
    valid: float = 0.02,
    canaries: float = 0.005,
    seed: int = 0,
    options: Options | None = None,
    cache: bool = True,
) -> PairData:
    """Read pairs and divide them into train, valid, test and canaries.

    Args:
        data: A file, a folder or a table in memory, as :func:`negatives.data.readers.read` takes it; None for the
            standard library's own sources.
        split: ``given``, ``random``, ``leave_last_out``, ``temporal``, ``cold_items``, or ``auto``: given where a
            test part exists, else leave_last_out where times exist, else random.
        test: Share held back for the test; leave_last_out holds back one pair of each query instead.
        valid: Share of the rest held back to stop training, at most 20,000 pairs.
        canaries: Share of the rest hidden to estimate false negatives.
        seed: Seed of the splits.
        options: What to take the columns for, and which rows count.
        cache: Keep what was mined from the standard library in the user's cache folder.

    Raises:
        InputError: The data cannot be used.
        ConfigError: The split or a share is not known.
    """
    shares = Shares(test, valid, canaries)
    if split not in splits.SPLITS:
        raise ConfigError(f"no split is called {split!r}; choose one of: {', '.join(splits.SPLITS)}")
    splits.check_shares(test=test, valid=valid, canaries=canaries)
    path = named(data)
    if data is None:
        from negatives.data.offline.views import function_calls

        tables: Mapping[str, Table] = {"train": function_calls(cache=cache, column="uses")}
        name = "stdlib"
    else:
        tables, name = read(data, PAIRS, options), short_name(data)
    notes = [note for table in tables.values() for note in table.notes]
    chosen = _choose(split, tables, path)
    notes.append(f"split: {chosen}" + (" (chosen automatically)" if split == "auto" else ""))
    if chosen != "given" and len(tables) > 1:
        notes.append(f"split: the parts {', '.join(tables)} of the folder are joined and divided anew")
        tables = {"train": joined(list(tables.values()))}
    numbered = number(dict(tables))
    notes += numbered.notes
    parts = _divide(numbered, chosen, shares, seed, notes)
    parts, query_names = _drop_untrained(parts, numbered.query_names, notes)
    _check(parts, chosen, shares, path, len(numbered.item_names))
    features = tables["train"].features
    notes += _summary(parts, len(query_names), len(numbered.item_names))
    return PairData(
        name, parts["train"], parts["valid"], parts["test"], parts["canaries"], query_names, numbered.item_names,
        features, tuple(notes),
    )  # fmt: skip


def _choose(split: str, tables: Mapping[str, Table], path: Path | str | None) -> str:
    if split == "auto":
        if "test" in tables:
            return "given"
        return "random" if tables["train"].numbers("time") is None else "leave_last_out"
    if split == "given" and "test" not in tables:
        raise InputError(
            "there is no test part", path=path, hint="add a test file beside train, or use --set split.kind=random"
        )
    return split


def _divide(numbered: Numbered, split: str, shares: Shares, seed: int, notes: list[str]) -> dict[str, Pairs]:
    """The four parts, before queries without a train pair are dropped."""
    parts, n_items = dict(numbered.parts), len(numbered.item_names)
    train = parts["train"]
    if split == "given":
        for name in ("valid", "test"):
            if name in parts:
                parts[name] = _unseen(parts[name], train, name, n_items, notes)
    else:
        held = _hold_back(train, n_items, split, shares.test, splits.key_of("test", seed))
        parts["test"], train = train.pick(held), train.pick(~held)
    if "valid" not in parts:
        tested = len(parts["test"]) / max(1, len(parts["test"]) + len(train))
        held = _hold_valid(train, n_items, split, shares.valid, tested, splits.key_of("valid", seed))
        parts["valid"], train = train.pick(held), train.pick(~held)
    held = splits.random_share(train, shares.canaries, splits.key_of("canaries", seed))
    parts["canaries"], parts["train"] = train.pick(held), train.pick(~held)
    return parts


def _unseen(part: Pairs, train: Pairs, name: str, n_items: int, notes: list[str]) -> Pairs:
    seen = contains(part, train, n_items)
    if bool(seen.any()):
        notes.append(f"{name}: {int(seen.sum()):,} pairs dropped, they stand in train too")
    return part.pick(~seen)


def _hold_back(pairs: Pairs, n_items: int, split: str, share: float, key: int) -> Tensor:
    if share == 0 or len(pairs) == 0:
        return torch.zeros(len(pairs), dtype=torch.bool)
    if split == "leave_last_out":
        return splits.last_of_each(pairs, 1.0, key)
    if split == "temporal":
        return splits.after_cut(pairs, share)
    if split == "cold_items":
        return splits.cold_share(pairs, n_items, share, key, keep_queries=False)
    return splits.random_share(pairs, share, key)


def _hold_valid(pairs: Pairs, n_items: int, split: str, share: float, tested: float, key: int) -> Tensor:
    """Like the test part, but every query keeps a pair and there are about ``VALID_CAP`` pairs at most.

    Args:
        pairs: What may be held back.
        n_items: Number of items.
        split: How the test part was chosen.
        share: Share of the pairs to hold back.
        tested: Share of all pairs that became the test part.
        key: Random stream.
    """
    if share == 0 or len(pairs) == 0:
        return torch.zeros(len(pairs), dtype=torch.bool)
    if split == "leave_last_out":
        queries = torch.bincount(pairs.queries).count_nonzero().item()
        return splits.last_of_each(pairs, min(1.0, VALID_CAP / queries), key)
    share = min(share, VALID_CAP / len(pairs))
    if split == "cold_items":
        return splits.cold_share(pairs, n_items, share, key, keep_queries=True)
    if split in ("given", "random"):
        held = splits.share_of_some(pairs, share, min(tested, MOST_OF_A_QUERY), key)
        if bool(held.any()):
            return held
    return splits.random_share(pairs, share, key)


def _drop_untrained(parts: dict[str, Pairs], names: pl.Series, notes: list[str]) -> tuple[dict[str, Pairs], pl.Series]:
    """Drop queries that a split has left without a train pair, and number the others anew."""
    trained = torch.zeros(len(names), dtype=torch.bool)
    trained[parts["train"].queries] = True
    if bool(trained.all()):
        return parts, names
    fresh = trained.cumsum(0) - 1
    kept: dict[str, Pairs] = {}
    for name, part in parts.items():
        inside = part.pick(trained[part.queries])
        kept[name] = Pairs(fresh[inside.queries], inside.items, inside.times)
    lost = sum(len(part) for part in parts.values()) - sum(len(part) for part in kept.values())
    notes.append(
        f"split: {int((~trained).sum()):,} users dropped with {lost:,} pairs, the split left them none in train"
    )
    return kept, names.filter(pl.Series(trained.numpy()))


def _check(parts: dict[str, Pairs], split: str, shares: Shares, path: Path | str | None, n_items: int) -> None:
    if len(parts["train"]) == 0:
        raise InputError(
            "the split leaves nothing to train on", path=path, hint="lower split.test, or choose another split"
        )
    if len(parts["test"]) == 0 and (split == "given" or shares.test > 0):
        hint = (
            "check that both parts use the same ids" if split == "given" else "give more data, or a larger split.test"
        )
        raise InputError("no test pair is left: its users are unknown in train or it is empty", path=path, hint=hint)
    if split == "given":
        seen = torch.zeros(n_items, dtype=torch.bool)
        seen[parts["train"].items] = True
        seen[parts["valid"].items] = True
        if not bool(seen[parts["test"].items].any()):
            hint = "check that both parts use the same ids, or join them and use --set split.kind=cold_items"
            raise InputError("no item of the test part stands in train", path=path, hint=hint)


def _summary(parts: dict[str, Pairs], n_queries: int, n_items: int) -> list[str]:
    sizes = ", ".join(f"{name} {len(parts[name]):,}" for name in ("train", "valid", "test", "canaries"))
    notes = [f"{n_queries:,} users, {n_items:,} items; pairs: {sizes}"]
    cold = torch.bincount(parts["train"].items, minlength=n_items) == 0
    if bool(cold.any()):
        in_test = int((cold & (torch.bincount(parts["test"].items, minlength=n_items) > 0)).sum())
        notes.append(f"{int(cold.sum()):,} items have no pair in train, {in_test:,} of them stand in the test part")
    return notes
