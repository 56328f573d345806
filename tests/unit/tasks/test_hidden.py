"""What shows early whether a model carries over: canaries and validation pairs, never training or test."""

from __future__ import annotations

import pytest
import torch

from negatives.config import RunConfig
from negatives.models.baselines.ngram import Ngrams
from negatives.models.baselines.popularity import Popularity
from negatives.runs.builder import fill, prepare, task_of
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
    asked = task.size("valid", examples)
    assert asked is not None
    assert len(hidden) >= asked + examples.canaries.nnz
    assert not hidden & pairs(known)


@pytest.mark.parametrize("name", ["classify", "graph", "knowledge", "recommend", "search", "sequence", "similarity"])
def test_the_size_of_a_part_is_the_number_of_terms_of_its_mean(name: str) -> None:
    """It says whether a part is enough to choose by; 1,852 pairs of 652 users are no more than 652 users."""
    task = task_of(RunConfig(task=name))
    config = RunConfig.model_validate({"task": name, "evaluation": {"queries": 1_000_000}})
    examples = task.load(None, config)
    trained = prepare(fill(config, task, examples), examples, task)
    terms = trained.evaluate("valid").per_query[trained.loop.plan.watch]
    assert task.size("valid", examples) == terms.numel()


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
