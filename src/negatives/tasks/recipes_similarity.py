"""Recipes of sentence similarity: what fills the fields that a user leaves out. Chosen on validation parts."""

from __future__ import annotations

from typing import Any

_EVALUATION = {"every": 2.0, "metric": "spearman", "patience": 8}

SIMILARITY: dict[str, dict[str, Any]] = {
    # Static token vectors; dissimilar sentences first, then ever closer ones.
    "default": {
        "model": {"name": "static", "dim": 256, "scale": 10.0},
        "sampler": "curriculum",
        "loss": "bpr",
        "optimiser": {"name": "adam", "lr": 0.001, "schedule": "linear"},
        "batch_size": 128,
        "epochs": 12,
        "precision": "float32",
        "evaluation": _EVALUATION,
    },
    # Any Sentence Transformers model.
    "transformer": {
        "model": {"name": "sentence_transformers", "scale": 20.0, "length": 64},
        "sampler": "curriculum",
        "loss": "bpr",
        "optimiser": {"name": "adam", "lr": 0.00002, "schedule": "linear", "warm_up": 0.1},
        "batch_size": 32,
        "epochs": 1,
        "precision": "auto",
        "evaluation": _EVALUATION | {"every": 1.0, "patience": 3},
    },
}
