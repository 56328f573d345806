"""Negatives that follow a Sentence Transformers model while it trains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.filterwarnings("ignore")

QUERIES = ["cat food", "dog food", "night sky", "sea fish"]
DOCUMENTS = [f"{what} {how}" for what in ("cat", "dog", "star", "fish") for how in ("eats", "shines", "sleeps", "runs")]


def make() -> object:
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
    from negatives.types import Csr

    known = Csr.from_pairs(torch.arange(4), torch.arange(4) * 4, 4, 16)
    model = make()
    negatives = Remining(QUERIES, DOCUMENTS, known, Mining(num_negatives=2), model)
    data = negatives.dataset()
    before = data[:]
    assert list(before) == data.column_names == ["anchor", "positive", "negative_1", "negative_2"]
    assert not set(before["negative_1"]) - set(DOCUMENTS)
    assert all(own != wrong for own, wrong in zip(before["positive"], before["negative_1"], strict=True))
    with torch.no_grad():
        table = next(model.parameters())  # type: ignore[attr-defined]
        table.copy_(table.flip(0))
    negatives.mine(model)
    assert data[:]["anchor"] == before["anchor"]
    assert data[:]["negative_1"] != before["negative_1"]


def test_too_few_negatives_are_filled_and_counted() -> None:
    from negatives.integrations.sentence_transformers import Remining
    from negatives.mining import Mining
    from negatives.types import Csr

    known = Csr.from_pairs(torch.arange(4), torch.arange(4) * 4, 4, 16)
    negatives = Remining(QUERIES, DOCUMENTS, known, Mining(num_negatives=3, max_score=-0.99), make())
    assert negatives.filled == 12
    rows = negatives.dataset()[:]
    assert all(own not in wrong for own, *wrong in zip(*(rows[name] for name in list(rows)[1:]), strict=True))


def test_training_mines_between_epochs(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.losses import MultipleNegativesRankingLoss

    from negatives.integrations.sentence_transformers import Remining
    from negatives.mining import Mining
    from negatives.types import Csr

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
