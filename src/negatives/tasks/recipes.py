"""Recipes: what fills the fields that a user leaves out. Chosen on validation parts; see docs/decisions.md."""

from __future__ import annotations

from typing import Any

from negatives.config import merge

_EVALUATION = {"every": 2.0, "queries": 10_000, "k": 20, "patience": 8}

_DEFAULT: dict[str, Any] = {
    "model": {
        "name": "lightgcn",
        "dim": 64,
        "similarity": "cosine",
        "layers": 2,
        "spectral": True,
        "ranking_length": 0.25,
    },
    "sampler": {"name": "softmax", "pool": 2048},
    "loss": {"name": "sampled_softmax", "temperature": 0.1},
    "optimiser": {"name": "adam", "lr": 0.02, "schedule": "cosine", "warm_up": 0.02},
    "batch_size": 8192,
    "epochs": 11,
    "precision": "auto",
    "evaluation": _EVALUATION,
}

RECOMMEND: dict[str, dict[str, Any]] = {
    # LightGCN with a corrected softmax over a pool that the batch shares.
    "default": _DEFAULT,
    # Wider, and with a loss that weighs positives and negatives by temperatures of their own: the best that was found.
    "best": merge(
        _DEFAULT,
        {
            "model": {"dim": 256},
            "loss": {"name": "bsl", "temperature": 0.1, "positive_temperature": 0.125},
            "optimiser": {"lr": 0.013},
            "epochs": 15,
            "evaluation": {"every": 5.0},
        },
    ),
    # Matrix factorisation with one negative per positive, for pairwise losses.
    "pairwise": {
        "model": {"name": "mf", "dim": 64, "similarity": "dot"},
        "sampler": "dns",
        "loss": "bpr",
        "optimiser": {"name": "adagrad", "lr": 0.1, "weight_decay": 0.01, "schedule": "linear"},
        "batch_size": 8192,
        "epochs": 60,
        "precision": "float32",
        "evaluation": _EVALUATION,
    },
    # Matrix factorisation with a softmax over a shared pool.
    "listwise": {
        "model": {"name": "mf", "dim": 64, "similarity": "cosine"},
        "sampler": "softmax",
        "loss": {"name": "sampled_softmax", "temperature": 0.1},
        "optimiser": {"name": "adam", "lr": 0.02, "schedule": "cosine", "warm_up": 0.02},
        "batch_size": 8192,
        "epochs": 30,
        "precision": "auto",
        "evaluation": _EVALUATION,
    },
    # Two towers over item content, for items that nobody has taken yet.
    "content": {
        "model": {"name": "two_tower", "dim": 128, "similarity": "cosine"},
        "sampler": {"name": "softmax", "pool": 2048},
        "loss": {"name": "sampled_softmax", "temperature": 0.1},
        "optimiser": {"name": "adam", "lr": 0.005, "schedule": "cosine", "warm_up": 0.05},
        "batch_size": 4096,
        "epochs": 15,
        "precision": "float32",
        "evaluation": _EVALUATION,
    },
}
