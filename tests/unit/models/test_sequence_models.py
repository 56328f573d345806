"""Models of sequences: what a place sees, how runs are packed, and what a model of one's own needs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from negatives.cli import main
from negatives.data.histories import Histories
from negatives.errors import ConfigError
from negatives.models import Model, registry
from negatives.models.sequence.base import Reading, SequenceModel
from negatives.models.sequence.gru import GruModel
from negatives.models.sequence.runs import Runs
from negatives.models.sequence.sasrec import Blocks, SasRec
from negatives.models.settings import Prior
from negatives.types import Context
from quick import ALONE

ITEMS = 30
ROWS = [[3, 1, 4, 1, 5, 9], [2, 6], [5], [], [3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6]]


class Mean(SequenceModel):
    """A model of another package: the mean of what has been read."""

    def __init__(self, histories: Histories, dim: int = 8, reading: Reading = Reading(), seed: int = 0) -> None:
        super().__init__(histories, dim, "dot", reading, seed=seed)
        self.weight = nn.Parameter(torch.eye(dim))

    def read(self, vectors: Tensor, runs: Runs) -> Tensor:
        parts = [part.cumsum(1) / torch.arange(1, part.shape[1] + 1)[:, None] for part in runs.padded(vectors)]
        return runs.flat(parts) @ self.weight


def histories(rows: list[list[int]] = ROWS) -> Histories:
    return Histories.of_rows(rows, ITEMS)


def made(name: str, rows: list[list[int]] = ROWS, window: int = 50, drop: float = 0.0) -> SequenceModel:
    reading = Reading(window, drop, drop)
    if name == "sasrec":
        model: SequenceModel = SasRec(histories(rows), 8, blocks=Blocks(2, 2), reading=reading, seed=3)
    elif name == "gru":
        model = GruModel(histories(rows), 8, layers=2, reading=reading, prior=Prior(0.5), seed=3)
    else:
        model = Mean(histories(rows), reading=reading, seed=3)
    with torch.no_grad():  # some numbers begin at zero
        for place, parameter in enumerate(model.parameters()):
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(place)))
    return model


MODELS = pytest.mark.parametrize("name", ["sasrec", "gru", "mean"])


def batch(rows: list[list[int]], queries: list[int], first: int = 0, step: int = 0) -> Context:
    """All places of some queries from the ``first`` of each on."""
    own = histories(rows)
    places = torch.cat([torch.arange(int(own.indptr[q]) + first, int(own.indptr[q + 1])) for q in queries])
    return Context(own.owners()[places], own.items[places], places, step=step)


def encoded(model: Model, context: Context) -> Tensor:
    model.refresh(context)
    return model.encode_queries(context.queries).detach()


def test_runs_are_packed_by_length_and_unpacked_again() -> None:
    first, stop = torch.tensor([10, 0, 5, 7, 20]), torch.tensor([14, 9, 5, 8, 24])
    runs = Runs.cut(first, stop)
    assert [tuple(block.places.shape) for block in runs.blocks] == [(1, 1), (2, 4), (1, 9)]
    parts = runs.padded(runs.places)
    assert torch.equal(runs.flat(parts), runs.places)
    for begin, one, end in zip(runs.starts.tolist(), first.tolist(), stop.tolist(), strict=True):
        assert runs.places[begin : begin + end - one].tolist() == list(range(one, end))


@MODELS
def test_a_place_sees_neither_itself_nor_what_comes_later(name: str) -> None:
    context = batch(ROWS, [0, 1, 4])
    seen = encoded(made(name), context)
    for query, place in ((0, 3), (4, 7), (4, 0), (1, 1)):
        rows = [list(row) for row in ROWS]
        rows[query][place] = 29  # the item at this place and all after it
        rows[query][place + 1 :] = [28] * len(rows[query][place + 1 :])
        changed = encoded(made(name, rows), context)
        index = (context.queries == query).nonzero()[:, 0]
        untouched = torch.cat([(context.queries != query).nonzero()[:, 0], index[: place + 1]])
        torch.testing.assert_close(changed[untouched], seen[untouched])
        later = index[place + 1 :]
        assert bool((changed[later] - seen[later]).abs().amax(1).gt(1e-4).all())


@MODELS
def test_a_place_is_what_its_history_alone_gives(name: str) -> None:
    context = batch(ROWS, [4, 0, 2])
    model = made(name, window=5)
    rows = [histories().before(p[None], q[None], 5) for p, q in zip(context.examples, context.queries, strict=True)]
    before = [items[there].tolist() for items, there in rows]
    alone = made(name, before, window=5)
    alone.terms = model.terms
    alone.refresh()
    wanted = alone.encode_queries(torch.arange(len(before)))
    for size in (1, 3):  # runs of a batch begin anywhere
        for at in range(0, context.rows, size):
            some = replace(context.take(torch.arange(at, min(at + size, context.rows))), places=None)
            inside = encoded(model, some)
            last = inside.shape[0] - 1
            torch.testing.assert_close(inside[last], wanted[at + last])


@MODELS
def test_long_runs_are_cut_to_the_length_that_is_read(name: str) -> None:
    context, model = batch(ROWS, [4]), made(name, window=4)
    found = encoded(model, context)
    again = torch.cat([encoded(model, context.take(torch.arange(at, at + 4))) for at in (0, 4, 8)])
    torch.testing.assert_close(found, again)


@MODELS
def test_whole_histories_and_new_ones(name: str) -> None:
    model, others = made(name, window=3), histories([[7, 3, 2], [], [1]])
    model.refresh()
    known = model.encode_queries(torch.tensor([4, 3, 4]))
    torch.testing.assert_close(known[0], known[2])
    new = model.fold_in(histories([[2, 3, 8, 4, 6], []]))
    torch.testing.assert_close(new, known[:2])
    model.extend_histories(Histories.of_rows([*ROWS[:4], [7, 3, 2]], ITEMS))
    wanted = model.fold_in(others)
    torch.testing.assert_close(model.encode_queries(torch.tensor([4])), wanted[:1])


@MODELS
def test_what_is_kept_answers_alike_and_holds_no_more_than_is_read(name: str) -> None:
    model = made(name, window=3)
    model.given = {"histories": histories()}
    kept = model.kept()["histories"]
    assert [kept.row(query).tolist() for query in range(5)] == [[1, 5, 9], [2, 6], [5], [], [8, 4, 6]]
    again = made(name, window=3)
    again.extend_histories(kept)
    again.load_state_dict(model.state_dict())
    for one in (model, again):
        one.refresh()
    assert torch.equal(again.encode_queries(torch.arange(5)), model.encode_queries(torch.arange(5)))


@MODELS
def test_both_uses_of_the_table_move_it(name: str) -> None:
    model, context = made(name), batch(ROWS, [1])
    model.refresh(context)
    (model.encode_queries(context.queries)[1] * model.encode_items(torch.tensor([20]))).sum().backward()
    assert model.item_table.grad is not None
    grad = model.item_table.grad.to_dense()
    assert grad.abs().sum(1).nonzero()[:, 0].tolist() == [2, 20]  # what was read, and what was scored


@MODELS
def test_dropout_depends_on_step_and_seed_alone(name: str) -> None:
    model = made(name, drop=0.4)
    one, other = (encoded(model, batch(ROWS, [0, 4], step=step)) for step in (1, 2))
    assert not torch.allclose(one, other)
    assert torch.equal(encoded(model, batch(ROWS, [0, 4], step=1)), one)
    model.refresh()
    queries = torch.arange(5)
    assert torch.equal(model.encode_queries(queries), model.encode_queries(queries.clone()))


def test_the_order_counts() -> None:
    for name in ("sasrec", "gru"):
        model = made(name)
        model.refresh()
        vectors = model.fold_in(histories([[1, 2, 3], [2, 1, 3], [1, 3, 2]]))
        assert float(torch.cdist(vectors, vectors).add(torch.eye(3)).min()) > 1e-3


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="window is 0"):
        Reading(window=0)
    with pytest.raises(ConfigError, match="input_drop is 1"):
        Reading(input_drop=1.0)
    with pytest.raises(ConfigError, match="wide is 0"):
        Blocks(wide=0)
    with pytest.raises(ConfigError, match="dim 9 is not a multiple of heads 2"):
        SasRec(histories(), 9, blocks=Blocks(1, 2))
    with pytest.raises(ConfigError, match="layers is 0"):
        GruModel(histories(), 8, layers=0)


@pytest.mark.parametrize("words", [[], ["--model", "mean"], ["--loss", "gbce"]])
def test_every_model_learns_what_follows_by_the_command(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry._rows, "mean", f"{__name__}:Mean")  # as an entry point would register it
    rows = [[f"i{(user * 7 + step) % 20:02}" for step in range(5 + user % 6)] for user in range(60)]
    path, out = tmp_path / "data.jsonl", tmp_path / "run"
    path.write_text("".join(json.dumps({"user": f"u{n}", "items": row}) + "\n" for n, row in enumerate(rows)))
    less = ["epochs=12", "batch_size=32", "optimiser.lr=0.01", "model.dim=16"]
    assert main(["train", "sequence", str(path), "--out", str(out), *words, "--set", *less, *ALONE]) == 0
    assert json.loads((out / "metrics.json").read_text())["test"]["ndcg@10"] > 0.6
