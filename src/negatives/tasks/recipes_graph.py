"""Recipes of link prediction: what fills the fields that a user leaves out. Chosen on validation parts."""

from __future__ import annotations

from typing import Any

_EVALUATION = {"every": 1.0, "queries": 5_000, "k": 10, "metric": "mrr:hard", "patience": 10}

_NETWORK: dict[str, Any] = {
    "model": {"name": "gcn", "dim": 128, "similarity": "cosine", "scale": 14.0, "layers": 1, "dropout": 0.5},
    "sampler": {"name": "softmax", "pool": 1024},
    "loss": "sampled_softmax",
    "optimiser": {"name": "adam", "lr": 0.002, "schedule": "cosine"},
    "batch_size": 1024,
    "epochs": 10,
    "precision": "float32",
    "evaluation": _EVALUATION,
}

_PROPAGATION: dict[str, Any] = {
    "model": {"name": "propagation", "dim": 64, "similarity": "dot", "layers": 2},
    "sampler": "dns",
    "loss": "bpr",
    "optimiser": {"name": "adam", "lr": 0.03, "schedule": "cosine"},
    "batch_size": 4096,
    "epochs": 8,
    "precision": "float32",
    "evaluation": _EVALUATION,
}

_VECTORS: dict[str, Any] = {
    "model": {"name": "node2vec", "dim": 128},
    "sampler": {"name": "popularity", "candidates": 5},
    "loss": "logistic",
    "optimiser": {"name": "adagrad", "lr": 0.1, "schedule": "linear"},
    "batch_size": 8192,
    "epochs": 5,
    "precision": "float32",
    "evaluation": _EVALUATION,
}

_PAIRWISE: dict[str, Any] = _NETWORK | {
    "model": _NETWORK["model"] | {"scale": 10.0},
    "sampler": "dns",
    "loss": "bpr",
    "optimiser": {"name": "adam", "lr": 0.005, "schedule": "cosine"},
    "epochs": 30,
}

GRAPH: dict[str, dict[str, Any]] = {
    # Free vectors smoothed over the graph, for nodes without features.
    "default": _PROPAGATION,
    # Graph convolutions over the nodes' features.
    "features": _NETWORK,
    # The same for pairwise losses, which need more steps; samplers are compared under it.
    "pairwise": _PAIRWISE,
    "gcn": _NETWORK,
    "sage": _NETWORK | {"model": _NETWORK["model"] | {"name": "sage"}},
    "propagation": _PROPAGATION,
    # Free vectors from walks, with negatives by degree to the power 0.75, as published.
    "node2vec": _VECTORS,
    # Free vectors from edges.
    "line": _VECTORS | {"model": {"name": "line", "dim": 128}, "epochs": 50},
}
