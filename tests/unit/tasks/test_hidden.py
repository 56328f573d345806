"""What shows early whether a model carries over: canaries and validation pairs, never training or test."""

from __future__ import annotations

import pytest
import torch

from negatives.config import RunConfig
from negatives.models.baselines.ngram import Ngrams
from negatives.models.baselines.popularity import Popularity
from negatives.runs.builder import fill, task_of
from negatives.types import Csr


def pairs(sets: Csr) -> set[tuple[int, int]]:
    rows = torch.arange(sets.n_rows).repeat_interleave(sets.lengths())
    return set(zip(rows.tolist(), sets.indices.tolist(), strict=True))


@pytest.mark.parametrize("name", ["classify", "graph", "search"])
def test_hidden_pairs_are_canaries_and_validation_pairs(name: str) -> None:
    task = task_of(RunConfig(task=name))
    config = RunConfig(task=name)
    examples = task.load(None, config)
    hidden = pairs(task.hidden(examples))
    known = examples.catalogue.known
    assert known is not None
    assert pairs(examples.canaries) < hidden
    assert len(hidden) >= task.size("valid", examples) + examples.canaries.nnz  # type: ignore[operator]
    assert not hidden & pairs(known)


def test_the_cheapest_method_is_that_of_the_task() -> None:
    counted = {"popularity": Popularity, "chance": Popularity}
    expected = {"classify": counted, "graph": counted, "language": {"ngram": Ngrams}, "similarity": {}}
    for name, kinds in expected.items():
        task = task_of(RunConfig(task=name))
        examples = task.load(None, RunConfig(task=name))
        filled = fill(RunConfig(task=name), task, examples)
        floors = task.floors(filled, examples)
        assert {name: type(model) for name, model in floors.items()} == kinds
        if "chance" in floors:
            rows = floors["chance"].score_all(torch.arange(2))
            assert bool((rows == rows[0, 0]).all())
