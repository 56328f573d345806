"""Load pairs from a file, a folder or the offline data, and divide them into parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from negatives.data import splits
from negatives.data.dividing import Choice, Division, Ways, choose, divide
from negatives.data.encode import number
from negatives.data.loading.alike import fitted
from negatives.data.loading.beside import Beside
from negatives.data.loading.features import side_tables
from negatives.data.loading.given import apart
from negatives.data.loading.named import named, short_name
from negatives.data.pairs import PARTS, PairData, Pairs
from negatives.data.readers import Options, read
from negatives.data.readers.schema import PAIRS
from negatives.data.table import Table, joined
from negatives.errors import InputError

VALID_CAP = 20_000


def basis_of(pairs: Pairs) -> splits.Basis:
    """What pairs may be divided by."""
    return splits.Basis(len(pairs), pairs.queries, pairs.items, pairs.times, pairs.groups)


def ways_of(n_items: int) -> Ways[Pairs]:
    """How pairs can be divided: mostly user by user, so that each keeps a pair to learn from."""
    return Ways(
        unit="pairs",
        basis=basis_of,
        code=lambda pairs: pairs.queries * n_items + pairs.items,
        test={
            "random": splits.share_of_each,
            "leave_last_out": splits.last_of_each,
            "temporal": splits.after_cut,
            "temporal_user": splits.last_share_of_each,
            "global_time": splits.after_cut,
            "cold_items": splits.cold_items,
            "cold_users": splits.cold_queries,
            "group": splits.whole_groups,
        },
        valid={
            "given": splits.share_of_some,
            "random": splits.share_of_some,
            "temporal": splits.share_of_each,
            "cold_items": splits.cold_items_but_last,
        },
        canaries=splits.share_of_each,
        most=VALID_CAP,
        judged=("users", lambda pairs: int(torch.unique_consecutive(pairs.queries).numel())),
    )


def ordered_ways_of(n_items: int) -> Ways[Pairs]:
    """How pairs in their order can be divided: what is held back came last, and nothing that follows is trained on."""
    return Ways(
        unit="pairs",
        basis=lambda pairs: replace(basis_of(pairs), ordered=True),
        code=lambda pairs: pairs.queries * n_items + pairs.items,
        test={
            "leave_last_out": splits.last_of_each,
            "temporal_user": splits.last_share_of_each,
            "global_time": splits.after_cut,
            "temporal": splits.after_cut,
            "group": splits.last_group_of_each,
        },
        valid={"given": splits.last_of_each},
        canaries=splits.last_of_free,
        repeats=True,
        ordered=True,
        judged=("users", lambda pairs: int(torch.unique_consecutive(pairs.queries).numel())),
    )


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
        split: ``given``, ``random``, ``leave_last_out``, ``temporal``, ``cold_items``, ``cold_users``, ``group``, or
            ``auto``: given where a test part exists, else leave_last_out where times exist, else random.
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
    return _load(data, Division(split, test, valid, canaries, seed), ways_of, options, cache)


def load_sequences(
    data: Any,
    *,
    split: str = "auto",
    test: float = 0.2,
    valid: float = 0.1,
    canaries: float = 0.005,
    seed: int = 0,
    options: Options | None = None,
    cache: bool = True,
) -> PairData:
    """As :func:`load_pairs`, where the order of each user's pairs matters, and a pair may come again.

    The order is that of the times; of equal times, and without times, that of the file. What is held back came last.

    Args:
        data: As for :func:`load_pairs`.
        split: ``given``; ``leave_last_out``, the last pair of each user for the test and the last but one for
            validation; ``temporal_user``, a share of each user's pairs; ``global_time``, what came after one cut in
            time for all; ``group``, the last group of each user; or ``auto``: given where a test part exists, else
            leave_last_out.
        test: Share held back for the test, where it is no single pair or group.
        valid: The same of the rest, to stop training.
        canaries: Share of the rest hidden to estimate false negatives: the last pair of users who have none in the
            validation part, so that no history that is asked for has a gap.
        seed: Seed of the splits.
        options: As for :func:`load_pairs`.
        cache: As for :func:`load_pairs`.

    Raises:
        InputError: The data cannot be used.
        ConfigError: The split or a share is not known.
    """
    return _load(data, Division(split, test, valid, canaries, seed), ordered_ways_of, options, cache)


def _load(
    data: Any, how: Division, ways_of: Callable[[int], Ways[Pairs]], options: Options | None, cache: bool
) -> PairData:
    """Read pairs and divide them in one of the ways."""
    asked = ways_of(0)
    asked.check(how.kind)
    path = named(data)
    data, sides = side_tables(data, options or Options())
    if data is None:
        from negatives.data.offline.views import function_calls

        tables: dict[str, Table] = {"train": function_calls(cache=cache, column="uses", ordered=asked.ordered)}
        name = "stdlib"
    else:
        tables, name = dict(read(data, PAIRS, options)), short_name(data)
    notes = [note for table in tables.values() for note in table.notes]
    tables, given = apart(tables)
    sides = fitted(sides, tables, notes)
    beside = Beside(sides, given, tables["train"].features)
    timed = all(table.numbers("time") is not None for table in tables.values())
    if asked.ordered:
        notes.append("order: " + ("by time, equal times as in the file" if timed else "as in the file, without times"))
    choice = choose(how.kind, tables, asked, notes, timed, path)
    if choice.anew:
        notes.append(f"split: the parts {', '.join(tables)} of the data are joined and divided anew")
        tables = {"train": joined([tables[name] for name in PARTS if name in tables])}
        choice = Choice(choice.kind)
    numbered = number(tables, asked.ordered, beside.names())
    notes += numbered.notes
    ways = ways_of(len(numbered.item_names))
    parts = divide(numbered.parts, choice, how, ways, notes, path)
    parts, query_names = _drop_untrained(parts, numbered.query_names, notes, beside.knows(numbered.query_names))
    _check(parts, choice.kind, how, path, len(numbered.item_names))
    notes += _summary(parts, len(query_names), len(numbered.item_names))
    names = query_names, numbered.item_names
    known = beside.features(names, notes)
    sets = beside.given_sets(parts, names, choice.kind, notes)
    return PairData(
        name, parts["train"], parts["valid"], parts["test"], parts["canaries"], *names, known["item"], tuple(notes),
        known["user"], sets, asked.ordered,
    )  # fmt: skip


def _drop_untrained(
    parts: dict[str, Pairs], names: pl.Series, notes: list[str], known: Tensor
) -> tuple[dict[str, Pairs], pl.Series]:
    """Drop queries that a split has left without a train pair and whose features nobody knows; number the others."""
    trained = (torch.bincount(parts["train"].queries, minlength=len(names)) > 0) | known
    if bool(trained.all()):
        return parts, names
    fresh = trained.cumsum(0) - 1
    kept: dict[str, Pairs] = {}
    for name, part in parts.items():
        inside = part.pick(trained[part.queries])
        kept[name] = replace(inside, queries=fresh[inside.queries])
    lost = sum(len(part) for part in parts.values()) - sum(len(part) for part in kept.values())
    notes.append(
        f"split: {int((~trained).sum()):,} users dropped with {lost:,} pairs, the split left them none in train"
    )
    return kept, names.filter(pl.Series(trained.numpy()))


def _check(parts: dict[str, Pairs], split: str, how: Division, path: Path | str | None, n_items: int) -> None:
    if len(parts["test"]) == 0 and (split == "given" or how.test > 0):
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
