"""RecTools' SASRec with its own uniform negatives, and with adaptive ones in the same loop for the same steps.

python examples/rectools_sasrec.py [FILE [EPOCHS]]

FILE has a line for each user, `user item item ...`, oldest first; without it, users walk on a ring. The last item but
one is what must be found, among all items that the user has not seen.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

from negatives.integrations.rectools import with_negatives

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
LIKELY = {
    "proposal": {"name": "popularity", "alpha": 0.75},
    "candidates": 256,
    "select": {"name": "softmax", "temperature": 1.0},
}
"""As many as are asked for of 256 popular items, drawn by the model's own softmax, with their exact ``log q``."""
QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}


def ring(users: int = 400, items: int = 300, length: int = 8) -> list[list[int]]:
    """Each user steps on by one to three items, from anywhere."""
    make = np.random.default_rng(0)
    steps = make.integers(1, 4, (users, length)).cumsum(1)
    return ((make.integers(0, items, (users, 1)) + steps) % items).tolist()  # type: ignore[no-any-return]


def dataset(rows: list[list[int]]) -> Dataset:
    """What RecTools trains on and asks with."""
    users, items = np.arange(len(rows)).repeat([len(row) for row in rows]), np.concatenate(rows)
    days = pd.Timestamp("2000-01-01") + pd.to_timedelta(np.concatenate([np.arange(len(row)) for row in rows]), "D")
    columns = {Columns.User: users, Columns.Item: items, Columns.Weight: 1.0, Columns.Datetime: days}
    return Dataset.construct(pd.DataFrame(columns))


def ndcg(model: SASRecModel, past: list[list[int]], targets: np.ndarray) -> float:
    """NDCG@10 over all items but those of the past."""
    found = model.recommend(np.arange(len(past)), dataset(past), k=10, filter_viewed=True)
    hits = found[found[Columns.Item].to_numpy() == targets[found[Columns.User].to_numpy()]]
    return float((1 / np.log2(1 + hits[Columns.Rank])).sum() / len(past))


def trained(rows: list[list[int]], epochs: int, seed: int, **arguments: Any) -> SASRecModel:
    """A SASRec; ``arguments`` are those of the comparison."""
    torch.manual_seed(seed)
    sizes = {"n_blocks": 2, "n_heads": 1, "n_factors": 64, "session_max_len": 20, "batch_size": 128}
    model = SASRecModel(**sizes, **arguments, recommend_torch_device="cpu")
    model._trainer = Trainer(max_epochs=epochs, accelerator="cpu", **QUIET)
    return model.fit(dataset(rows))


if __name__ == "__main__":
    given = [line.split()[1:] for line in Path(sys.argv[1]).read_text().splitlines()] if sys.argv[1:] else ring()
    rows = [[int(item) for item in row] for row in given]
    past, targets = [row[:-2] for row in rows], np.array([row[-2] for row in rows])
    epochs = int(sys.argv[2]) if sys.argv[2:] else 6 if sys.argv[1:] else 20
    softmax: dict[str, Any] = {"loss": "sampled_softmax", "n_negatives": 32 if sys.argv[1:] else 2}
    for name, more in (("uniform, RecTools", {}), ("likely ones", with_negatives(LIKELY))):
        model = trained(past, epochs, 0, **softmax, **more)
        print(f"{name:22} {model.fit_trainer.global_step} steps, NDCG@10 {ndcg(model, past, targets):.4f}")
