"""Two towers in Lightning's trainer, with the negatives that such code usually has and with ours, after equal steps.

pip install 'negatives[lightning]'
python examples/lightning_towers.py                 (recommend: who uses what in Python's own library)
python examples/lightning_towers.py PURCHASES.csv
"""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import negatives
from negatives.data.pairs import PairData
from negatives.evaluation.ranking import evaluate, rank
from negatives.integrations.lightning import SamplerCallback
from negatives.losses import BPR, Loss, SampledSoftmax
from negatives.scoring import Vectors

ARMS: dict[str, tuple[Any, Loss]] = {
    "one at random": (None, BPR()),
    "other rows": (None, SampledSoftmax(0.1)),
    "uniform": ("uniform", BPR()),
    "dns": ("dns", BPR()),
    "in_batch": ({"name": "in_batch", "pool": 512}, SampledSoftmax(0.1)),
    "softmax": ({"name": "softmax", "pool": 512}, SampledSoftmax(0.1)),
    "mixed": ({"name": "mixed", "pool": 512}, SampledSoftmax(0.1)),
}
"""What draws, and the loss; the first two are what loops have without a library."""
BATCH, DIM = 512, 64


class Towers(LightningModule):
    """Users and items, each a table and a layer. ``sampler`` is None for negatives without this library."""

    def __init__(self, data: PairData, sampler: Any, loss: Loss, seed: int) -> None:
        super().__init__()
        self.n_items, self.loss = data.n_items, loss
        self.user_table, self.item_table = nn.Embedding(data.n_queries, DIM), nn.Embedding(data.n_items, DIM)
        self.user_layer, self.item_layer = nn.Linear(DIM, DIM), nn.Linear(DIM, DIM)
        for table in (self.user_table, self.item_table):
            nn.init.normal_(table.weight, std=0.1)
        self.negatives = None
        if sampler is not None:
            drawing = negatives.sampler(sampler, train=data.catalogue(), loss=loss, seed=seed)
            self.negatives = SamplerCallback(drawing, log=False)

    def configure_callbacks(self) -> list[Any]:
        return [self.negatives] if self.negatives else []

    def users(self, ids: Tensor) -> Tensor:
        return self._scaled(self.user_table(ids), self.user_layer)

    def items(self, ids: Tensor) -> Tensor:
        return self._scaled(self.item_table(ids), self.item_layer)

    def _scaled(self, vectors: Tensor, layer: nn.Module) -> Tensor:
        found = vectors + layer(vectors.relu())
        return found if self.loss.pairwise else functional.normalize(found, dim=-1)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        users, items, rows = batch
        queries, right = self.users(users), self.items(items)
        positive = (queries * right).sum(-1)
        if self.negatives is None and self.loss.pairwise:  # what is known may be drawn
            wrong = self.items(torch.randint(self.n_items, users.shape))
            return -functional.logsigmoid(positive - (queries * wrong).sum(-1)).mean()
        if self.negatives is None:  # the positives of the other rows, without a correction
            return functional.cross_entropy(queries @ right.T / 0.1, torch.arange(len(users)))
        drawn = self.negatives(users, items, Vectors(queries, self.items), examples=rows)
        if drawn.pool is not None:
            return self.loss(positive, queries @ self.items(drawn.pool).T, drawn)
        return self.loss(positive, (queries[:, None] * self.items(drawn.ids)).sum(-1), drawn)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.005)


def run(data: PairData, arm: str, steps: int, seed: int = 0, part: str = "valid") -> float:
    """Recall among the first 20 after a training."""
    seed_everything(seed, verbose=False)
    towers = Towers(data, *ARMS[arm], seed)
    rows = TensorDataset(data.train.queries, data.train.items, torch.arange(len(data.train)))
    order = torch.Generator().manual_seed(seed)
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(towers, DataLoader(rows, BATCH, shuffle=True, drop_last=True, generator=order))
    truth = data.known((part,))
    seen = ("train",) if part == "valid" else ("train", "valid", "canaries")
    with torch.no_grad():
        tables = towers.users(torch.arange(data.n_queries)), towers.items(torch.arange(data.n_items))
    asked = truth.lengths().nonzero()[:, 0]
    ranking = rank(*tables, queries=asked, truth=truth, exclude=data.known(seen), k=20)
    return evaluate(ranking, ["recall@20"]).mean["recall@20"]


def quiet() -> None:
    """Lightning says much."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")


if __name__ == "__main__":
    quiet()
    found = negatives.load("recommend", sys.argv[1] if len(sys.argv) > 1 else None)
    for name in ARMS:
        print(f"{name:14} recall@20 {run(found, name, 400):.4f} of the validation part")
