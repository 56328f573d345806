"""Recipes of language models, chosen on validation parts; see docs/decisions.md."""

from __future__ import annotations

from typing import Any

from negatives.config import merge

_DEFAULT: dict[str, Any] = {
    "model": {"name": "lstm", "dim": 200, "drop": 0.2, "table_optimiser": "adagrad", "table_rate": 40.0},
    "sampler": {
        "proposal": {"name": "popularity", "alpha": 0.75},
        "pool": 1024,
        "guards": ["known_positives"],
        "select": "all",
    },
    "loss": {"name": "sampled_softmax"},
    "optimiser": {"name": "adam", "lr": 0.004, "schedule": "linear"},
    "batch_size": 1120,
    "epochs": 6,
    "precision": "float32",
    "reading": {"window": 35},
    "evaluation": {"every": 1.0, "queries": 30_000, "metric": "log_likelihood"},
}

LANGUAGE: dict[str, dict[str, Any]] = {
    # An LSTM with a corrected softmax over words drawn by a power of their counts, shared by the batch.
    "default": _DEFAULT,
    # All words in every step: exact, and slow with many words.
    "full": merge(_DEFAULT, {"sampler": {"name": "full"}}),
    # Noise-contrastive estimation with unigram noise shared by the batch: scores become log-probabilities.
    "nce": merge(
        _DEFAULT,
        {
            "sampler": {"name": "nce", "pool": 1024, "guards": []},
            "loss": {"name": "nce"},
        },
    ),
    # Noise that follows the word before, with few words for each position.
    "bigram": merge(
        _DEFAULT,
        {
            "sampler": {
                "proposal": {"name": "bigram", "adapt": 0.05},
                "candidates": 32,
                "guards": [],
                "select": "all",
            },
            "loss": {"name": "nce"},
        },
    ),
    # A small transformer.
    "transformer": merge(
        _DEFAULT,
        {
            "model": {"name": "transformer", "dim": 200, "drop": 0.1, "table_optimiser": "adagrad", "table_rate": 40.0},
            "optimiser": {"lr": 0.002, "warm_up": 0.05},
            "batch_size": 1024,
            "reading": {"window": 64},
        },
    ),
    # Whole sentences told from those of a trigram model, half of which are the hardest of four; what fools the scorer
    # joins the trigram model's text after each epoch.
    "sentences": {
        "model": {"name": "sentence", "dim": 64},
        "sampler": {
            "proposal": "uniform",
            "candidates": 4,
            "guards": ["known_positives"],
            "select": {"name": "hard_share", "share": 0.5, "k": 1},
        },
        "loss": {"name": "logistic", "mean": True},
        "optimiser": {"name": "adam", "lr": 0.002, "schedule": "constant"},
        "batch_size": 64,
        "epochs": 5,
        "precision": "float32",
        "reading": {"sentences": {"noise": "trigram", "every": 1.0, "reestimate": True, "longest": 60}},
        "evaluation": {"every": 1.0, "queries": 2_000, "metric": "accuracy"},
    },
}
