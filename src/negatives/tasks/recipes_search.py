"""Recipes of search: what fills the fields that a user leaves out. Chosen on validation parts."""

from __future__ import annotations

from typing import Any

_EVALUATION = {"every": 1.0, "k": 10, "metric": "ndcg@10", "patience": 8}

SEARCH: dict[str, dict[str, Any]] = {
    # Static token vectors from latent semantic analysis, against hard and other rows' documents.
    "default": {
        "model": {"name": "static", "dim": 512, "scale": 10.0},
        "sampler": "ance",
        "loss": {"name": "info_nce", "temperature": 1.0},
        "optimiser": {"name": "adam", "lr": 0.0003, "schedule": "linear"},
        "batch_size": 128,
        "epochs": 10,
        "precision": "float32",
        "evaluation": _EVALUATION,
    },
    # Any Sentence Transformers model, fine-tuned on the judged queries alone.
    "transformer": {
        "model": {"name": "sentence_transformers", "scale": 20.0, "length": 128},
        "sampler": {"name": "ance", "pool": 48},
        "loss": {"name": "info_nce", "temperature": 1.0},
        "optimiser": {"name": "adam", "lr": 0.00005, "schedule": "linear", "warm_up": 0.1},
        "batch_size": 16,
        "epochs": 2,
        "precision": "auto",
        "evaluation": _EVALUATION | {"patience": 3},
        "reading": {"titles": False},
    },
}
