"""Negatives that follow a Sentence Transformers model while it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from negatives.errors import ConfigError
from negatives.types import Csr

pytestmark = pytest.mark.filterwarnings("ignore")

QUERIES = ["cat food", "dog food", "night sky", "sea fish"]
DOCUMENTS = [f"{what} {how}" for what in ("cat", "dog", "star", "fish") for how in ("eats", "shines", "sleeps", "runs")]


POSITIVES = [(0, 0), (0, 1), (1, 4), (1, 5), (2, 8), (2, 9), (3, 12), (3, 13)]


def make() -> Any:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding

    from negatives.data.tokens import learn_tokenizer

    table = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    tokenizer = learn_tokenizer([*QUERIES, *DOCUMENTS], 200)
    inner = StaticEmbedding(tokenizer, embedding_weights=table[: tokenizer.get_vocab_size()].numpy())
    return SentenceTransformer(modules=[inner], device="cpu")


def test_the_columns_follow_the_model() -> None:
    from negatives.integrations.sentence_transformers import Remining
    from negatives.mining import Mining

    known = Csr.from_pairs(torch.arange(4), torch.arange(4) * 4, 4, 16)
    model = make()
    negatives = Remining(QUERIES, DOCUMENTS, known, Mining(num_negatives=2), model)
    data = negatives.dataset()
    before = data[:]
    assert list(before) == data.column_names == ["anchor", "positive", "negative_1", "negative_2"]
    assert not set(before["negative_1"]) - set(DOCUMENTS)
    assert all(own != wrong for own, wrong in zip(before["positive"], before["negative_1"], strict=True))
    with torch.no_grad():
        table = next(model.parameters())
        table.copy_(table.flip(0))
    negatives.mine(model)
    assert data[:]["anchor"] == before["anchor"]
    assert data[:]["negative_1"] != before["negative_1"]


def test_too_few_negatives_are_filled_and_counted() -> None:
    from negatives.integrations.sentence_transformers import Remining
    from negatives.mining import Mining

    # each query knows twelve of the sixteen: what fills up by chance would soon be a known one
    known = Csr.from_pairs(torch.arange(48) // 12, torch.arange(48) % 12, 4, 16)
    negatives = Remining(QUERIES, DOCUMENTS, known, Mining(num_negatives=3, max_score=-0.99), make())
    assert negatives.filled == 12
    assert bool((negatives._ids >= 12).all())
    rows = negatives.dataset()[:]
    assert all(own not in wrong for own, *wrong in zip(*(rows[name] for name in list(rows)[1:]), strict=True))


def test_training_mines_between_epochs(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.losses import MultipleNegativesRankingLoss

    from negatives.integrations.sentence_transformers import Remining
    from negatives.mining import Mining

    known = Csr.from_pairs(torch.arange(4), torch.arange(4) * 4, 4, 16)
    model = make()
    negatives = Remining(QUERIES, DOCUMENTS, known, Mining(num_negatives=2), model)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path), num_train_epochs=3, per_device_train_batch_size=2, report_to="none",
        save_strategy="no", disable_tqdm=True, use_cpu=True, logging_strategy="no",
    )  # fmt: skip
    with torch.random.fork_rng():
        SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=negatives.dataset(),
            loss=MultipleNegativesRankingLoss(model),
            callbacks=[negatives.callback()],
        ).train()
    assert negatives.rounds == 3


def known() -> Csr:
    return Csr.from_pairs(*torch.tensor(POSITIVES).T, 4, 16)


def trainer(folder: Path, model: Any, data: Any, callback: Any, **given: Any) -> Any:
    """Eight pairs in batches of two: four steps an epoch."""
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.losses import MultipleNegativesRankingLoss

    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder), max_steps=20, per_device_train_batch_size=2, report_to="none", learning_rate=0.1,
        save_strategy="steps", save_steps=10, disable_tqdm=True, use_cpu=True, logging_strategy="no",
    )  # fmt: skip
    return SentenceTransformerTrainer(
        model, arguments, train_dataset=data, loss=MultipleNegativesRankingLoss(model), callbacks=[callback], **given
    )


def same(one: nn.Module, two: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize("steps", [5, None])
def test_remining_goes_on_after_a_resume(steps: int | None, tmp_path: Path) -> None:
    """With 5 it is mined at the very step that is saved, while the trainer holds a batch of before."""
    from negatives.integrations.sentence_transformers import Remining
    from negatives.mining import Mining

    def begin() -> tuple[Any, Remining]:
        model = make()
        mining = Mining(num_negatives=2, max_score=-0.99)  # finds none: each round draws others
        negatives = Remining(QUERIES, DOCUMENTS, known(), mining, model)
        return trainer(tmp_path, model, negatives.dataset(), negatives.callback(2, steps)), negatives

    with torch.random.fork_rng():
        whole, negatives = begin()
        whole.train()
        resumed, again = begin()
        resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-10"))
    assert negatives.rounds == again.rounds == 3 + (20 // steps if steps else 0)
    assert torch.equal(negatives._ids, again._ids)
    assert same(whole.model, resumed.model)


def test_numbers_below_one_are_told() -> None:
    from negatives.integrations.sentence_transformers import Remine

    with pytest.raises(ConfigError, match="steps is 0; it must be at least 1"):
        Remine(None, steps=0)  # type: ignore[arg-type]


HARDEST = {"candidates": 60, "select": {"name": "hardest", "k": 2}}


def test_drawn_texts_are_hard_and_not_known() -> None:
    from negatives.integrations.sentence_transformers import TextDrawing

    model, given = make(), []

    class Rows:
        valid_label_columns = ("label",)

        def __call__(self, rows: list[dict[str, str]]) -> dict[str, Any]:
            given.extend(rows)
            return {}

    drawing = TextDrawing(QUERIES, DOCUMENTS, known(), HARDEST, model, collate=Rows())
    model.train()
    drawing(list(drawing.dataset()))
    assert model.training
    assert [list(row) for row in given] == [["anchor", "positive", "negative_1", "negative_2"]] * 8
    scores = model.similarity(model.encode_query(QUERIES), model.encode_document(DOCUMENTS))
    for (query, document), row in zip(POSITIVES, given, strict=True):
        own = [two for one, two in POSITIVES if one == query]
        order = [one for one in scores[query].argsort(descending=True).tolist() if one not in own]
        assert row["anchor"] == QUERIES[query]
        assert row["positive"] == DOCUMENTS[document]
        assert row["negative_1"] == DOCUMENTS[order[0]]
    assert drawing.filled == 0


def test_places_that_nothing_could_fill_are_counted() -> None:
    """All but one document are known: the guard leaves one, and a margin not even that."""
    from negatives.integrations.sentence_transformers import TextDrawing

    most = Csr.from_pairs(torch.zeros(15, dtype=torch.int64), torch.arange(15), 4, 16)
    spec = HARDEST | {"guards": ["known_positives", {"name": "absolute_margin", "margin": 1e6}]}
    drawing = TextDrawing(QUERIES, DOCUMENTS, most, spec, make())
    batch = drawing(list(drawing.dataset()))
    assert drawing.filled == 30
    assert len({name.partition("_input")[0] for name in batch if name.endswith("input_ids")}) == 4


def test_what_fills_up_is_not_the_query_itself() -> None:
    """Fourteen documents are known and one is the query's own text: one is left."""
    from negatives.integrations.sentence_transformers import TextDrawing

    given: list[dict[str, str]] = []
    most = Csr.from_pairs(torch.zeros(14, dtype=torch.int64), torch.arange(14), 4, 16)
    spec = HARDEST | {"guards": [{"name": "absolute_margin", "margin": 1e6}]}
    queries = [DOCUMENTS[15], *QUERIES[1:]]
    drawing = TextDrawing(queries, DOCUMENTS, most, spec, make(), collate=lambda rows: given.extend(rows) or {})
    drawing(list(drawing.dataset()))
    assert drawing.filled == 28
    assert {row[name] for row in given for name in ("negative_1", "negative_2")} == {DOCUMENTS[14]}


def test_drawing_goes_on_after_a_resume(tmp_path: Path) -> None:
    from negatives.integrations.sentence_transformers import TextDrawing

    spec = {"proposal": {"name": "cached", "size": 4}, "candidates": 4}

    def begin() -> tuple[Any, TextDrawing]:
        model = make()
        drawing = TextDrawing(QUERIES, DOCUMENTS, known(), spec, model)
        return trainer(tmp_path, model, drawing.dataset(), drawing.callback(), data_collator=drawing), drawing

    with torch.random.fork_rng():
        whole, drawing = begin()
        before = [one.clone() for one in whole.model.parameters()]
        whole.train()
        resumed, again = begin()
        resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-10"))
    assert not torch.equal(before[0], next(whole.model.parameters()))
    assert drawing.drawing.sampler.state()["step"] == again.drawing.sampler.state()["step"] == 20
    assert same(whole.model, resumed.model)
