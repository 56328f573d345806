"""The fingerprint of data shows every change, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
import torch

from negatives.data import digest as module
from negatives.data.corpus.encode import encode
from negatives.data.digest import digest


@dataclass(frozen=True)
class Some:
    name: str
    pairs: torch.Tensor
    names: pl.Series
    texts: list[str]
    notes: tuple[str, ...] = ()


def some(n: int = 300) -> Some:
    return Some("a", torch.arange(n), pl.Series([f"u{i}" for i in range(n)]), ["x", "", "ä"])


def test_what_data_is_called_does_not_count() -> None:
    assert digest(some()) == digest(replace(some(), name="b", notes=("c",)))


@pytest.mark.parametrize("at", [0, 7, 150, 255, 299])
def test_every_place_counts(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first block, in another, and in what is left over."""
    monkeypatch.setattr(module, "BLOCK", 64)
    monkeypatch.setattr(module, "TEXTS", 64)
    module._weights.cache_clear()
    base = some()
    numbers, names = base.pairs.clone(), base.names.to_list()
    numbers[at] += 1
    names[at] += "!"
    found = {digest(one) for one in (base, replace(base, pairs=numbers), replace(base, names=pl.Series(names)))}
    assert len(found) == 3
    module._weights.cache_clear()


def test_order_types_and_shapes_count() -> None:
    values = [
        torch.tensor([1, 2]), torch.tensor([2, 1]), torch.tensor([[1, 2]]), torch.tensor([1, 2], dtype=torch.int32),
        torch.tensor([1.0, 2.0]), np.array([1, 2]), [1, 2], [2, 1], (1, 2), {"a": 1}, {"b": 1}, {"a": 2}, ["a", "b"],
        ["ab", ""], ["b", "a"], [], {}, None, "a", b"a", True, 1, {1, 2}, {1, 3}, pl.Series([1, 2]),
        pl.Series([1, None]), pl.Series(["a", None]), pl.DataFrame({"a": [1]}), pl.DataFrame({"b": [1]}),
    ]  # fmt: skip
    assert len({digest({"value": one}) for one in values}) == len(values)


def test_the_tokens_of_a_corpus_count() -> None:
    texts = [[["a", "b", "c"]] * 20, [["a", "c", "b"]] * 20]
    one, other, again = (encode(iter(text), min_count=1) for text in (*texts, texts[0]))
    assert digest(one) == digest(again)
    assert one.counts.tolist() == other.counts.tolist()
    assert digest(one) != digest(other)
