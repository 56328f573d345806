"""Every task of the table: its recipes, what it offers, and its offline data."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from negatives import losses
from negatives.config import RunConfig
from negatives.models import registry as models
from negatives.runs.builder import task_of
from negatives.sampler import build
from negatives.sampler import presets as samplers
from negatives.tasks.base import AnyTask, Task
from negatives.tasks.facts import Offer
from negatives.tasks.registry import registry
from negatives.testing.feeds import FeedCase, a_batch_depends_on_its_place_alone
from negatives.training.engines import registry as engines

OFFERED: dict[str, set[str]] = {
    "recommend": {"n_queries", "n_items", "known", "counts"},
    "sequence": {"n_queries", "n_items", "known", "counts", "histories", "window"},
    "knowledge": {"n_items", "query_heads", "query_relations"},
    "graph": {"n_items", "graph", "features"},
    "words": {"n_items", "cell_counts"},
    "search": {"query_bags", "document_bags", "tokenizer"},
    "similarity": {"query_bags", "document_bags", "tokenizer"},
    "classify": {"n_items", "features", "known"},
    "language": {"tokens", "counts"},
    "sentences": {"real", "noise", "n_words"},
}
"""Tasks, and facts that each must offer for the models it is made for."""
every_task = pytest.mark.parametrize("name", OFFERED)


def task(name: str) -> AnyTask:
    return task_of(RunConfig(task=name))


def test_every_task_has_a_case() -> None:
    assert set(registry) == set(OFFERED)


@every_task
def test_it_is_a_task_of_its_name(name: str) -> None:
    made = task(name)
    assert isinstance(made, Task)
    assert registry.get(name) is type(made)
    assert made.name == name
    assert set(made.offers) >= OFFERED[name]
    assert made.phrases[0]
    assert made.phrases[1]


@every_task
def test_its_recipes_name_parts_that_exist_and_fit(name: str) -> None:
    made = task(name)
    assert made.recipes()
    for recipe in made.recipes():
        config = RunConfig(task=name, recipe=recipe).filled(made.recipes()[recipe])
        made.check(config)
        model, sampler, loss = (config.part(part) for part in ("model", "sampler", "loss"))
        assert made.offer().misfit(model) == ""
        assert models.get(str(model)).engine in engines
        assert models.get(str(model)).feed in made.feeds
        assert sampler.name is None or sampler.name in samplers
        assert str(loss) in losses.registry
        assert made.watched(config) in made.metric_names(config)
        assert made.reading.model_validate(config.reading)


@every_task
def test_what_it_offers_is_asked_for_by_a_model(name: str) -> None:
    """The models of its recipes are among those that need nothing else."""
    made = task(name)
    fitting = made.offer().fitting()
    assert {made.model_of(recipe) for recipe in made.recipes()} <= set(fitting)


@every_task
def test_its_offline_data_is_what_it_says(name: str) -> None:
    made = task(name)
    bare = RunConfig(task=name, seed=3)
    examples = made.load(None, bare)
    config = bare.filled(made.recipes()[made.recipe_name(bare, examples.data)])
    facts = made.facts(config, examples)
    assert set(facts) <= set(made.offers)
    assert Offer("this data", facts, made.feeds, made.family).misfit(config.part("model")) == ""
    catalogue = examples.catalogue
    assert catalogue.counts.numel() == catalogue.n_items
    assert catalogue.known is None or (catalogue.known.n_rows, catalogue.known.n_cols) == (
        catalogue.n_queries,
        catalogue.n_items,
    )
    size = min(config.batch_size or 512, max(1, examples.feed.rows // 3))
    for index in islice(range(examples.feed.steps(size)), 3):
        batch = examples.feed.batch(3, 0, index, size)
        assert int(batch.queries.max()) < catalogue.n_queries
        assert int(batch.items.max()) < catalogue.n_items
        again = made.load(None, bare).feed.batch(3, 0, index, size) if index == 0 else batch
        assert torch.equal(again.items, batch.items)
    sampler = build(str(config.part("sampler")) if config.part("sampler").name else "uniform")
    sampler.bind(catalogue)
    a_batch_depends_on_its_place_alone(FeedCase(lambda: examples.feed, sizes=(size, size // 2 or 1)))
