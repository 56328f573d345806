"""Recipes of the task words. Chosen on the validation third of the evaluation sets; see docs/words.md."""

from __future__ import annotations

from typing import Any

from negatives.config import merge

_WORD2VEC: dict[str, Any] = {
    "model": {"name": "skip_gram", "dim": 100, "window": 5},
    "sampler": {"name": "popularity", "candidates": 5, "guards": []},  # the centre itself is skipped by the kernel
    "loss": "logistic",
    "optimiser": {"name": "sgd", "lr": 0.025, "schedule": "linear"},
    "batch_size": 20_000,
    "epochs": 5,
    "precision": "float32",
    "evaluation": {"every": 1.0, "queries": 2_000, "k": 20, "metric": "mean"},
}

WORDS: dict[str, dict[str, Any]] = {
    # Larger steps and more passes than word2vec, still in less time than gensim takes for its own.
    "default": merge(_WORD2VEC, {"optimiser": {"lr": 0.05}, "epochs": 10, "evaluation": {"every": 2.0}}),
    # Of twelve candidates the model's own softmax draws five.
    "adaptive": merge(
        _WORD2VEC,
        {
            "sampler": {
                "candidates": 12,
                "select": {"name": "softmax", "k": 5, "temperature": 1.5, "correction": False},
            },
            "optimiser": {"lr": 0.05},
            "epochs": 10,
            "evaluation": {"every": 2.0},
        },
    ),
    # The settings of gensim and word2vec: five negatives by count^0.75.
    "word2vec": _WORD2VEC,
    # A text of less than two million words: more passes, smaller steps of the loop.
    "small": merge(_WORD2VEC, {"optimiser": {"lr": 0.05}, "batch_size": 10_000, "epochs": 15}),
    # Co-occurrence with three sampled zero cells for each cell.
    "glove": {
        "model": {"name": "glove", "dim": 100},
        "sampler": {"name": "popularity", "candidates": 3},
        "loss": {"name": "squared", "zeros": 0.1},
        "optimiser": {"name": "adagrad", "lr": 0.05},
        "batch_size": 65_536,
        "epochs": 10,
        "precision": "float32",
        "evaluation": {"every": 2.0, "queries": 2_000, "k": 20, "metric": "mean"},
    },
    "cbow": merge(_WORD2VEC, {"model": "cbow", "optimiser": {"lr": 0.075}}),
}
