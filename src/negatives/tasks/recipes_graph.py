"""Recipes of link prediction: what fills the fields that a user leaves out. Chosen on validation parts."""

from __future__ import annotations

from typing import Any

_EVALUATION = {"every": 5.0, "queries": 5_000, "k": 10, "metric": "mrr:hard", "patience": 10}

_NETWORK: dict[str, Any] = {
    "model": {"name": "gcn", "dim": 128},
    "sampler": "uniform",
    "loss": "logistic",
    "optimiser": {"name": "adam", "lr": 0.005, "schedule": "cosine"},
    "batch_size": 1024,
    "epochs": 50,
    "precision": "float32",
    "evaluation": _EVALUATION,
}

GRAPH: dict[str, dict[str, Any]] = {
    "default": _NETWORK | {"model": {"name": "propagation", "dim": 64}, "batch_size": 8192},
    "features": _NETWORK,
    "gcn": _NETWORK,
    "sage": _NETWORK | {"model": {"name": "sage", "dim": 128}},
    "propagation": _NETWORK | {"model": {"name": "propagation", "dim": 64}, "batch_size": 8192},
}
