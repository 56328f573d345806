"""Negatives in the Hugging Face trainer: drawn when a batch is collated, resumed bit for bit, told what is amiss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import PretrainedConfig, PreTrainedModel, Trainer, TrainingArguments

import negatives
from negatives import losses
from negatives.errors import ConfigError, InputError
from negatives.integrations.hugging_face import Drawing, Pairs, as_negatives

pytestmark = pytest.mark.filterwarnings("ignore")
USERS, ITEMS = 40, 60
QUERIES = torch.arange(160) % USERS
POSITIVES = (torch.arange(160) * 7 + torch.arange(160) // USERS) % ITEMS
FOLLOWING = {
    "proposal": {"name": "cached", "size": 8},
    "candidates": 8,
    "select": {"name": "hard_share", "share": {"schedule": "linear", "start": 0.0, "stop": 1.0}},
}
"""Remembers items for each query, and changes with progress."""


class Towers(PreTrainedModel):
    """Two tables, made from a configuration of one's own."""

    config_class = PretrainedConfig

    def __init__(self, config: Any = None) -> None:
        super().__init__(config or PretrainedConfig())
        self.users, self.items = nn.Embedding(USERS, 8), nn.Embedding(ITEMS, 8)
        self.post_init()

    def encode_queries(self, queries: Tensor) -> Tensor:
        return self.users(queries)

    def encode_items(self, items: Tensor) -> Tensor:
        return self.items(items)

    def forward(self, queries: Tensor, positives: Tensor, ids: Tensor, ok: Tensor, log_q: Any = None) -> dict[str, Any]:
        wrong = as_negatives(ids, ok, log_q)
        users = self.users(queries)
        positive = (users * self.items(positives)).sum(-1)
        return {"loss": losses.bpr(positive, (users[:, None] * self.items(wrong.ids)).sum(-1), wrong)}


class Noted(Drawing):
    """Remembers what it gave."""

    def __init__(self, spec: Any, model: nn.Module | None) -> None:
        super().__init__(negatives.sampler(spec, train=(QUERIES, POSITIVES)), model)
        self.given: list[Tensor] = []

    def __call__(self, rows: Any) -> Any:
        batch = super().__call__(rows)
        self.given.append(batch["ids"])
        return batch


def make(folder: Path, spec: Any = "dns", **given: Any) -> tuple[Trainer, Noted]:
    torch.manual_seed(0)
    model = Towers()
    drawing = Noted(spec, model)
    options: dict[str, Any] = {"max_steps": 20, "per_device_train_batch_size": 10, "learning_rate": 0.05} | given
    arguments = TrainingArguments(
        output_dir=str(folder), report_to="none", disable_tqdm=True, use_cpu=True, save_strategy="steps", save_steps=10,
        **options,
    )  # fmt: skip
    rows = Pairs(QUERIES, POSITIVES)
    callbacks = [drawing.callback()]
    return Trainer(model, arguments, train_dataset=rows, data_collator=drawing, callbacks=callbacks), drawing


def same(one: nn.Module, two: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("spec", ["dns", FOLLOWING], ids=["dns", "following"])
def test_ten_steps_and_ten_after_a_resume_are_twenty(spec: Any, accumulation: int, tmp_path: Path) -> None:
    """Ten steps end within an epoch, while the trainer holds a batch that nothing was trained on."""
    batch = {"gradient_accumulation_steps": accumulation, "per_device_train_batch_size": 10 // accumulation}
    with torch.random.fork_rng():
        whole, drawn = make(tmp_path, spec, **batch)
        whole.train()
        resumed, again = make(tmp_path, spec, **batch)
        resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-10"))
    assert whole.state.global_step == resumed.state.global_step == 20
    missing = len(drawn.given) - len(again.given)
    assert missing == 10 * accumulation
    assert all(torch.equal(one, two) for one, two in zip(drawn.given[missing:], again.given, strict=True))
    assert same(whole.model, resumed.model)
    assert drawn.sampler.state()["step"] == again.sampler.state()["step"]


def test_a_state_that_is_missing_is_told(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        make(tmp_path, max_steps=10)[0].train()
        (tmp_path / "checkpoint-10" / "negatives.safetensors").unlink()
        with pytest.raises(ConfigError, match=r"checkpoint-10/negatives\.safetensors is missing"):
            make(tmp_path)[0].train(resume_from_checkpoint=True)


def test_a_checkpoint_elsewhere(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        whole, _ = make(tmp_path / "a", FOLLOWING)
        whole.train()
        (tmp_path / "a" / "checkpoint-10").rename(tmp_path / "b")
        path = str(tmp_path / "b")
        resumed, _ = make(tmp_path / "c", FOLLOWING, resume_from_checkpoint=path)
        resumed.train(resume_from_checkpoint=path)
    assert same(whole.model, resumed.model)


def test_the_model_is_seen(tmp_path: Path) -> None:
    """With as many candidates as there are items the hardest is nearly always drawn."""
    spec = {"candidates": 500, "select": {"name": "hardest", "k": 1}}
    with torch.random.fork_rng():
        trainer, drawing = make(tmp_path, spec, max_steps=3, learning_rate=0.0)
        trainer.train()
    assert drawing.last is not None
    model, queries = trainer.model, drawing.last.queries
    scores = (model.users(queries) @ model.items.weight.T).detach()
    for place, query in enumerate(queries.tolist()):
        scores[place, POSITIVES[query == QUERIES]] = -torch.inf
    assert torch.equal(drawing.last.negatives.ids[:, 0], scores.argmax(1))


def test_epochs_draw_anew_and_orders_do_not_matter(tmp_path: Path) -> None:
    def by_row(batches: list[Tensor], rows: list[Tensor]) -> dict[int, list[int]]:
        return dict(zip(torch.cat(rows).tolist(), torch.cat(batches).tolist(), strict=True))

    drawing = Drawing(negatives.sampler("uniform", train=(QUERIES, POSITIVES)))
    rows = Pairs(QUERIES, POSITIVES)
    for order in (torch.arange(160), torch.arange(160).flip(0)):
        ids = torch.cat([drawing([rows[int(at)] for at in some])["ids"] for some in order.split(16)])
        found = ids[order.argsort()]
        if order[0] == 0:
            first = found
    assert torch.equal(first, found)
    drawing.at_epoch(1)
    assert not torch.equal(drawing([rows[at] for at in range(160)])["ids"], first)


def test_signals_are_logged(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        trainer, _ = make(tmp_path, max_steps=9, logging_steps=1)
        trainer.train()
    told = [one for one in trainer.state.log_history if "negatives/violation_rate" in one]
    assert told
    assert len(told) < 9  # they are measured at every eighth draw


def test_rows_of_an_evaluation_are_left_alone(tmp_path: Path) -> None:
    class Held(Dataset[dict[str, Any]]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, row: int) -> dict[str, Any]:
            return {"queries": row, "positives": row, "ids": torch.tensor([5]), "ok": torch.tensor([True])}

    with torch.random.fork_rng():
        trainer, drawing = make(tmp_path, max_steps=4)
        before = drawing.sampler.state()["step"]
        trainer.evaluate(Held())
    assert drawing.sampler.state()["step"] == before


def test_what_is_amiss_is_told(tmp_path: Path) -> None:
    drawing = Drawing(negatives.sampler("uniform", train=(QUERIES, POSITIVES)))
    with pytest.raises(InputError, match=r"a row has no example; give query, positive and example, or Pairs"):
        drawing([{"query": 1, "positive": 2}])
    with pytest.raises(InputError, match="no columns; set remove_unused_columns=False, or give Pairs"):
        drawing([{}])
    with torch.random.fork_rng(), pytest.raises(ConfigError, match="set dataloader_num_workers=0"):
        make(tmp_path, dataloader_num_workers=1)[0].train()


def test_columns_of_ones_own_are_pairs_too() -> None:
    one, other = (Drawing(negatives.sampler("uniform", train=(QUERIES, POSITIVES))) for _ in range(2))
    rows = [Pairs(QUERIES, POSITIVES)[at] for at in (3, 5)]
    named = [{"query": int(query), "positive": int(item), "example": at} for query, item, at in rows]
    assert torch.equal(one(rows)["ids"], other(named)["ids"])


def test_a_shared_pool_stays_one() -> None:
    drawing = Drawing(negatives.sampler({"pool": 6}, train=(QUERIES, POSITIVES)))
    batch = drawing([Pairs(QUERIES, POSITIVES)[at] for at in range(5)])
    assert batch["ids"].shape == (6,)
    wrong = as_negatives(*(batch[name] for name in ("ids", "ok", "log_q")))
    assert wrong.pool is not None
    assert wrong.ids.shape == wrong.ok.shape == (5, 6)


@pytest.mark.parametrize("form", [None, "numpy", "torch"])
def test_rows_of_a_data_set_in_any_format(form: str | None) -> None:
    import datasets

    columns = {"query": QUERIES[:6].tolist(), "positive": POSITIVES[:6].tolist(), "example": list(range(6))}
    rows = datasets.Dataset.from_dict(columns).with_format(form)
    drawn, plain = (Drawing(negatives.sampler("uniform", train=(QUERIES, POSITIVES))) for _ in range(2))
    found = drawn([rows[place] for place in range(6)])
    assert torch.equal(found["ids"], plain([(int(QUERIES[at]), int(POSITIVES[at]), at) for at in range(6)])["ids"])
