"""Recipes of the task words. Chosen on the validation third of the evaluation sets; see docs/words.md."""

from __future__ import annotations

from typing import Any

from negatives.config import merge

_WORD2VEC: dict[str, Any] = {
    "model": {"name": "skip_gram", "dim": 100, "window": 5},
    "sampler": {"name": "popularity", "candidates": 5},
    "loss": "logistic",
    "optimiser": {"name": "sgd", "lr": 0.025, "schedule": "linear"},
    "batch_size": 20_000,
    "epochs": 5,
    "precision": "float32",
    "evaluation": {"every": 1.0, "queries": 2_000, "k": 20, "metric": "mean"},
}

WORDS: dict[str, dict[str, Any]] = {
    "default": _WORD2VEC,
    # The settings of gensim and word2vec: five negatives by count^0.75.
    "word2vec": _WORD2VEC,
    "cbow": merge(_WORD2VEC, {"model": "cbow", "optimiser": {"lr": 0.075}}),
}
