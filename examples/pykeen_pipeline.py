"""PyKEEN's pipeline with its own negatives, and with adaptive ones for the same steps.

python examples/pykeen_pipeline.py [FOLDER [EPOCHS]]

FOLDER has train.txt and valid.txt with a triple on each line; without it, the entities stand in a ring.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from pykeen.pipeline import pipeline
from pykeen.triples import TriplesFactory

import negatives.integrations.pykeen  # noqa: F401 (PyKEEN knows "adaptive" from here on)

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)


def ring(entities: int = 60, steps: tuple[int, ...] = (1, 2, 5, 9, 14)) -> tuple[TriplesFactory, TriplesFactory]:
    """A relation for each number of steps along the ring; a fifth of the triples is held back."""
    rows = [(f"e{n}", f"{step} on", f"e{(n + step) % entities}") for n in range(entities) for step in steps]
    return TriplesFactory.from_labeled_triples(np.array(rows)).split([0.8], random_state=0)  # type: ignore[return-value]


def read(folder: Path) -> tuple[TriplesFactory, TriplesFactory]:
    """The two parts of a folder."""
    train = TriplesFactory.from_path(folder / "train.txt")
    names = {"entity_to_id": train.entity_to_id, "relation_to_id": train.relation_to_id}
    return train, TriplesFactory.from_path(folder / "valid.txt", **names)


if __name__ == "__main__":
    train, valid = read(Path(sys.argv[1])) if sys.argv[1:] else ring()
    epochs = int(sys.argv[2]) if sys.argv[2:] else 20
    arms: tuple[tuple[str, dict[str, Any]], ...] = (
        ("basic, PyKEEN", {"negative_sampler": "basic", "negative_sampler_kwargs": {"num_negs_per_pos": 4}}),
        (
            "dns, 4 of 32",
            {
                "training_loop": "adaptive",
                "negative_sampler": "adaptive",
                "negative_sampler_kwargs": {"sampler": "dns", "num_negs_per_pos": 4},
            },
        ),
    )
    for name, arguments in arms:
        result = pipeline(
            training=train,
            testing=valid,
            model="ComplEx",
            model_kwargs={"embedding_dim": 32},
            loss="softplus",
            optimizer_kwargs={"lr": 0.02},
            training_kwargs={"num_epochs": epochs, "batch_size": 64, "use_tqdm": False},
            evaluation_kwargs={"use_tqdm": False},
            random_seed=0,
            device="cpu",
            **arguments,
        )
        print(f"{name:14} mean reciprocal rank {result.metric_results.get_metric('mrr'):.4f}")
