"""The task of sequences: what is held back, what a model is given, and training from the command."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from negatives.cli import main
from negatives.config import build
from negatives.data.histories import Histories
from negatives.errors import ConfigError, NegativesError
from negatives.models import Model, registry
from negatives.runs.builder import task_of
from negatives.sampler import build as build_sampler
from negatives.tasks.base import Examples
from negatives.training.sequence_feed import SequenceFeed
from negatives.types import Context
from quick import ALONE


class Previous(Model):
    """A model of sequences: a row is answered by the items before its place, each weighted half of the one after."""

    feed = "sequences"
    inner_product = True

    def __init__(self, histories: Histories, window: int, dim: int = 8, seed: int = 0) -> None:
        super().__init__(histories.n_queries, histories.n_items, dim)
        self.histories, self.window = histories, window
        random = torch.Generator().manual_seed(seed)
        self.item_table = nn.Parameter(0.1 * torch.randn(histories.n_items, dim, generator=random))
        self.before = nn.Parameter(0.1 * torch.randn(histories.n_items, dim, generator=random))
        self.context: Context | None = None

    def refresh(self, context: Context | None = None) -> None:
        self.context = context

    def extend_histories(self, histories: Histories) -> None:
        self.histories = histories

    def encode_queries(self, queries: Tensor) -> Tensor:
        context = self.context
        if context is not None and queries is context.queries:
            assert torch.equal(self.histories.items[context.examples], context.positives)
            items, there = self.histories.before(context.examples, queries, 3)
            assert bool(there[:, -1].all())
        else:
            items, there = self.histories.last(queries, 3)
        weights = there * torch.tensor([0.25, 0.5, 1.0])
        return torch.einsum("rp,rpd->rd", weights, self.before[items])

    def encode_items(self, items: Tensor) -> Tensor:
        return self.item_table[items]

    def fold_in(self, histories: Histories) -> Tensor:
        before, self.histories = self.histories, histories
        try:
            return self.encode_queries(torch.arange(histories.n_queries))
        finally:
            self.histories = before


@pytest.fixture
def previous(monkeypatch: pytest.MonkeyPatch) -> str:
    """Registered as an entry point would register it."""
    monkeypatch.setitem(registry._rows, "previous", f"{__name__}:Previous")
    return "previous"


def rows(users: int = 60) -> list[list[str]]:
    """Each user goes round a circle of items from somewhere, one step at a time."""
    return [[f"i{(user * 7 + step) % 20:02}" for step in range(5 + user % 6)] for user in range(users)]


def lists(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"user": f"u{n}", "items": row}) + "\n" for n, row in enumerate(rows())))
    return path


def examples(path: Path, **values: object) -> Examples[object]:
    config = build([("the test", {"task": "sequence", "data": str(path), **values})])
    return task_of(config).load(path, config)


def test_a_model_of_sequences_learns_what_follows(previous: str, tmp_path: Path) -> None:
    words = ["--model", previous, "--set", "epochs=15", "batch_size=32", "optimiser.lr=0.1", "sampler.pool=16"]
    out = tmp_path / "run"
    assert main(["train", "sequence", str(lists(tmp_path)), "--out", str(out), *words, *ALONE]) == 0
    found = json.loads((out / "metrics.json").read_text())
    assert found["watched"] == "ndcg@10"
    assert found["test"]["hr@10"] > 0.95  # what follows the last item is always the next of the circle
    assert found["test"]["ndcg@10"] > 0.8
    for sample in found["samples"]:  # what was had stands in its order, and the next item is answered
        places = [int(item[1:]) for item in sample["known"]]
        assert all((after - before) % 20 == 1 for before, after in itertools.pairwise(places))


def test_weights_are_refused_in_words(previous: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("user,item,time,stars\n" + "".join(f"u{n % 5},i{n % 7},{n},{1 + n % 4}\n" for n in range(60)))
    with pytest.raises(ConfigError, match=r"a model of sequences takes each place of a history once; leave out"):
        examples(path, model=previous, reading={"weight": "stars"})
    examples(path, model="history", reading={"weight": "stars"})


def test_what_was_had_before_is_no_question_but_where_it_may_come_again(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    rows = {"ann": [*"abcda"], "bob": [*"bcdae"], "cid": [*"dcabe"]}
    path.write_text("".join(json.dumps({"user": user, "items": row}) + "\n" for user, row in rows.items()))
    model = {"name": "popularity"}
    found = {}
    for again in (False, True):
        config = build([("", {"task": "sequence", "data": str(path), "model": model, "reading": {"again": again}})])
        task = task_of(config)
        made = task.load(path, config)
        built = task.model(config, made)
        found[again] = task.evaluate(built, made, "test", config).per_query["ndcg@10"]
        assert task.kept(made, config).more == {"again": again}
    assert len(found[False]) == 2  # what ann takes last she had before
    assert len(found[True]) == 3


def test_negatives_are_never_of_the_own_history_and_of_no_padding(previous: str, tmp_path: Path) -> None:
    """Ids are those of items alone: what fills short histories up is no item, so it cannot be drawn."""
    path = lists(tmp_path)
    config = build([("", {"task": "sequence", "data": str(path), "model": previous})])
    task = task_of(config)
    made = task.load(path, config)
    sampler = build_sampler({"proposal": "uniform", "guards": ["known_positives"], "candidates": 8, "select": "all"})
    sampler.bind(made.catalogue)
    assert made.catalogue.n_items == 20
    batch = made.feed.batch(0, 0, 0, 64)
    drawn = sampler.sample(Context(batch.queries, batch.items, batch.examples), None)
    assert 0 <= int(drawn.ids.min()) <= int(drawn.ids.max()) < 20
    known = made.data.known()  # type: ignore[attr-defined]
    for query, ids, ok in zip(batch.queries.tolist(), drawn.ids, drawn.ok, strict=True):
        assert not set(ids[ok].tolist()) & set(known.row(query).tolist())
    assert set(drawn.ids[drawn.ok].tolist()) >= {0, 19}  # the first and the last item are items like any other


def test_recommendation_trains_models_of_sequences_where_pairs_have_times(previous: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("user,item,time\n" + "".join(
        f"u{user},{item},{place}\n" for user, row in enumerate(rows()) for place, item in enumerate(row)
    ))  # fmt: skip
    config = build([("", {"task": "recommend", "data": str(path), "model": previous})])
    task = task_of(config)
    made = task.load(path, config)
    assert isinstance(made.feed, SequenceFeed)
    model = task.model(config, made)
    before = model.histories
    assert before is made.feed.histories  # places of a batch are places of what the model reads
    task.complete(model, made)
    assert len(model.histories) > len(before)
    path.write_text("user,item\nu,a\nu,b\nv,a\nv,b\nv,c\n")
    with pytest.raises(NegativesError, match="have no times"):
        task.load(path, config)


def test_the_feed_cuts_long_histories_elsewhere_in_each_epoch() -> None:
    feed = SequenceFeed(Histories.of_rows([list(range(30)), [3], [4, 5]], 30), window=8)
    cuts = []
    for epoch in range(4):
        runs = [feed.batch(0, epoch, index, 8).examples for index in range(feed.steps(8))]
        places = torch.cat(runs)
        assert sorted(places.tolist()) == [*range(1, 30), 32]  # no first place of a history
        assert all(bool((one.diff() > 0).all()) for one in runs)
        cuts.append({place for one in runs for place in one.tolist() if place - 1 not in one})
        assert 1 in cuts[-1]
    assert len({place % 8 for one in cuts for place in one - {1, 32}}) > 1  # not always behind as many places
    one = feed.batch(0, 0, 0, 1 << 20)
    assert one.examples.tolist() == [*range(1, 30), 32]
    assert one.queries.tolist() == [0] * 29 + [2]
    assert one.items.tolist() == [*range(1, 30), 5]
    assert SequenceFeed(Histories.of_rows([[], [3]], 30)).steps(4) == 1
