"""Sentence Transformers with other rows alone, with negatives mined once, and with negatives that follow the model.

    pip install 'negatives[sentence-transformers]' datasets accelerate
    python examples/text_negatives.py                (search in the docstrings of Python's own library)
    python examples/text_negatives.py COLLECTION     (a folder with corpus.jsonl, queries.jsonl and qrels)

The model is a table of token vectors that is trained from nothing, so nothing is downloaded. The first half of the
steps is the same for all; then they part.
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from sentence_transformers.util import mine_hard_negatives
from transformers import set_seed

import negatives
from negatives.data.retrieval import RetrievalData
from negatives.data.tokens import learn_tokenizer
from negatives.evaluation.graded import evaluate_graded
from negatives.integrations.sentence_transformers import Remining, TextDrawing
from negatives.mining import Mining
from negatives.types import Csr

DIM, BATCH = 256, 64
DRAWN: dict[str, Any] = {
    "dns": "dns",
    "softmax": {"candidates": 32, "select": {"name": "softmax", "k": 2, "temperature": 1.0}},
}
ARMS = ("other rows", "mined once", "remined", *DRAWN)
"""The first two are what Sentence Transformers has itself."""


def begin(data: RetrievalData) -> SentenceTransformer:
    """Token vectors at random."""
    tokenizer = learn_tokenizer(data.item_texts, 8000)
    table = 0.1 * torch.randn(tokenizer.get_vocab_size(), DIM)
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table.numpy())], device="cpu")


def train(model: SentenceTransformer, data: Any, steps: int, seed: int, **given: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder, max_steps=steps, per_device_train_batch_size=BATCH, learning_rate=0.02, seed=seed,
            lr_scheduler_type="constant", report_to="none", save_strategy="no", disable_tqdm=True, use_cpu=True,
            logging_strategy="no",
        )  # fmt: skip
        loss = MultipleNegativesRankingLoss(model)
        SentenceTransformerTrainer(model, arguments, train_dataset=data, loss=loss, **given).train()


def second_half(model: SentenceTransformer, data: RetrievalData, arm: str, steps: int, seed: int) -> None:
    """Steps with the negatives of an arm."""
    pairs = data.part("train")
    known = Csr.from_pairs(pairs.queries, pairs.items, data.n_queries, data.n_items)
    plain = plain_pairs(data)
    if arm == "other rows":
        train(model, plain, steps, seed)
    elif arm == "mined once":
        mined = mine_hard_negatives(
            plain, model, corpus=data.item_texts, num_negatives=2, range_max=50, output_format="n-tuple", verbose=False
        )
        train(model, mined, steps, seed)
    elif arm == "remined":
        mining = Mining(num_negatives=2, range_max=50, seed=seed)
        remining = Remining(data.query_texts, data.item_texts, known, mining, model)
        train(model, remining.dataset(), steps, seed, callbacks=[remining.callback(steps=25)])
    else:
        drawing = TextDrawing(data.query_texts, data.item_texts, known, DRAWN[arm], model, seed)
        train(model, drawing.dataset(), steps, seed, data_collator=drawing, callbacks=[drawing.callback()])


def plain_pairs(data: RetrievalData) -> Any:
    pairs = data.part("train")
    queries, items = pairs.queries.tolist(), pairs.items.tolist()
    texts = {"anchor": [data.query_texts[row] for row in queries], "positive": [data.item_texts[row] for row in items]}
    return Dataset.from_dict(texts)


@torch.no_grad()
def quality(model: SentenceTransformer, data: RetrievalData, part: str) -> float:
    """ndcg@10 over all documents."""
    judged = data.part(part)
    asked = torch.unique(judged.queries)
    texts = [data.query_texts[row] for row in asked.tolist()]
    queries = model.encode_query(texts, convert_to_tensor=True, show_progress_bar=False)
    documents = model.encode_document(data.item_texts, convert_to_tensor=True, show_progress_bar=False)
    top = model.similarity(queries, documents).topk(10, dim=1).indices
    truth = judged.queries, judged.items, judged.grades
    return evaluate_graded(top, asked, truth, data.n_items, ["ndcg@10"]).mean["ndcg@10"]


def run(data: RetrievalData, arm: str, steps: int, seed: int = 0, part: str = "valid") -> float:
    """The quality after a training, half of it by the arm."""
    set_seed(seed)
    model = begin(data)
    train(model, plain_pairs(data), steps // 2, seed)
    second_half(model, data, arm, steps - steps // 2, seed)
    return quality(model, data, part)


if __name__ == "__main__":
    found = negatives.load("search", sys.argv[1] if len(sys.argv) > 1 else None)
    for name in ARMS:
        print(f"{name:14} ndcg@10 {run(found, name, 200):.4f} of the validation part", flush=True)
