"""Recipes of knowledge graphs, chosen on validation parts; see docs/decisions.md."""

from __future__ import annotations

from typing import Any

from negatives.config import merge

_EVALUATION = {"every": 1.0, "queries": 5_000, "metric": "mrr", "patience": 6}

_DEFAULT: dict[str, Any] = {
    "model": {"name": "complex", "dim": 512, "n3": 0.05, "init": 0.001},
    # Only a row's own answer is left out of its pool: other right answers share the softmax's probability with it.
    "sampler": {"name": "softmax", "pool": 512, "guards": ["own_positive"]},
    "loss": {"name": "sampled_softmax"},
    "optimiser": {"name": "adagrad", "lr": 0.1, "schedule": "linear"},
    "batch_size": 1024,
    "epochs": 16,
    "precision": "auto",
    "evaluation": _EVALUATION,
}

_ADVERSARIAL: dict[str, Any] = {
    "loss": {"name": "logistic", "margin": 9.0, "mean": True},
    "optimiser": {"name": "adagrad", "lr": 0.1, "schedule": "linear"},
    "batch_size": 1024,
    "epochs": 25,
    "precision": "float32",
    "evaluation": _EVALUATION,
}
_OWN = {"sampler": {"name": "self_adversarial", "candidates": 64}}
_SHARED = {"sampler": {"name": "self_adversarial", "pool": 1024}}

KNOWLEDGE: dict[str, dict[str, Any]] = {
    # ComplEx with N3 and a softmax over a pool that the batch shares.
    "default": _DEFAULT,
    # Less than a hundred thousand triples, five or more for each entity: fewer numbers, less regularisation.
    "small": merge(_DEFAULT, {"model": {"dim": 256, "n3": 0.01}, "epochs": 20}),
    # Negatives of each row's own, weighted by the model's belief.
    "rotate": merge(
        _ADVERSARIAL, _OWN | {"model": {"name": "rotate", "dim": 128, "init": 0.06, "turn": 5.0}, "epochs": 30}
    ),
    # Euclidean distances to a shared pool are one matrix product, so many negatives cost little.
    "transe": merge(
        _ADVERSARIAL,
        _SHARED
        | {
            "model": {"name": "transe", "dim": 256, "norm": 2, "init": 0.15},
            "loss": {"margin": 5.0},
            "optimiser": {"lr": 0.5},
        },
    ),
    # As ComplEx: the gradient of a softmax weighs each negative by the model's belief in it.
    "distmult": merge(_DEFAULT, {"model": {"name": "distmult", "dim": 512, "n3": 0.05, "init": 0.001}}),
    # ComplEx with negatives of each row's own: samplers are compared under it.
    "pairwise": merge(
        _ADVERSARIAL, _OWN | {"model": {"name": "complex", "dim": 128, "n3": 0.01}, "loss": {"margin": -3.0}}
    ),
}
