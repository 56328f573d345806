"""Recipes of classification, chosen on validation parts; see docs/decisions.md."""

from __future__ import annotations

from typing import Any

from negatives.config import merge

FEW = 2_000
"""Up to so many labels the exact softmax over all of them is the default."""
FEW_ROWS = 20_000
"""Up to so many rows the default looks at the neighbours of every row."""

_FULL: dict[str, Any] = {
    "model": {
        "name": "sparse",
        "dim": 512,
        "drop_features": 0.5,
        "drop": 0.6,
        "item_init": 0.01,
        "table_optimiser": "adagrad",
        "table_rate": 10.0,
    },
    "sampler": {"name": "full"},
    "loss": {"name": "sampled_softmax"},
    "optimiser": {"name": "adam", "lr": 0.004, "schedule": "linear"},
    "batch_size": 256,
    "epochs": 24,
    "precision": "float32",
    "evaluation": {"every": 8.0, "metric": "precision@1"},
}

CLASSIFY: dict[str, dict[str, Any]] = {
    # All labels in every step: exact, for few labels.
    "full": _FULL,
    # The same with the labels of the nearest training rows as more features, for few rows.
    "neighbours": merge(_FULL, {"model": {"name": "sparse", "neighbours": 50}}),
    # A corrected softmax over a pool of labels that the batch shares, for many labels.
    "sampled": merge(
        _FULL,
        {
            "model": {"name": "sparse", "dim": 256, "drop_features": 0.0, "drop": 0.0, "table_rate": 1.0},
            "sampler": {"name": "mixed", "pool": 2048},
            "optimiser": {"name": "adagrad", "lr": 0.1},
            "batch_size": 1024,
            "epochs": 10,
        },
    ),
    # Negatives of each row's own, for pairwise losses and for comparing samplers.
    "pairwise": merge(_FULL, {"sampler": "dns", "loss": "bpr", "batch_size": 1024, "epochs": 20}),
}
