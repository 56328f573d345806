"""A miner with any selection in PyTorch Metric Learning, beside the library's own, after equal steps.

    pip install 'negatives[metric-learning]' scikit-learn
    python examples/metric_miner.py

Handwritten digits: six of the ten classes are trained on, the other four are only asked for at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import BatchEasyHardMiner, BatchHardMiner, MultiSimilarityMiner, TripletMarginMiner
from sklearn.datasets import load_digits
from torch import Tensor, nn

from negatives.integrations.metric_learning import SamplerMiner

Made = Callable[[int, int], Any]
SOFTMAX = {"name": "softmax", "temperature": 0.05}
ARMS: dict[str, Made] = {
    "none": lambda seed, steps: None,
    "TripletMarginMiner": lambda seed, steps: TripletMarginMiner(type_of_triplets="semihard"),
    "MultiSimilarityMiner": lambda seed, steps: MultiSimilarityMiner(),
    "BatchHardMiner": lambda seed, steps: BatchHardMiner(),
    "BatchEasyHardMiner": lambda seed, steps: BatchEasyHardMiner(pos_strategy="easy", neg_strategy="hard"),
    "semi_hard": lambda seed, steps: SamplerMiner("semi_hard", seed=seed),
    "hardest": lambda seed, steps: SamplerMiner("hardest", seed=seed),
    "softmax": lambda seed, steps: SamplerMiner(SOFTMAX, seed=seed),
    "softmax, easiest positive": lambda seed, steps: SamplerMiner(SOFTMAX, positives="easiest", seed=seed),
}
"""Miners of the library, then of this one, by seed and number of steps."""


def digits() -> tuple[Tensor, Tensor]:
    """Images ``(1797, 64)`` and their classes."""
    images, classes = load_digits(return_X_y=True)
    return torch.tensor(images / 16, dtype=torch.float32), torch.tensor(classes)


def run(data: tuple[Tensor, Tensor], arm: str, steps: int, seed: int = 0, part: str = "valid") -> float:
    """Mean average precision at R over classes that were not trained on.

    The seed chooses the classes too: six to train, two for the part ``valid``, two for ``test``.
    """
    torch.manual_seed(seed)
    images, classes = data
    order = torch.randperm(10)
    trained, held = order[:6], order[6:8] if part == "valid" else order[8:]
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 16))
    optimiser, loss = torch.optim.Adam(model.parameters(), lr=1e-3), TripletMarginLoss(margin=0.2)
    miner, places = ARMS[arm](seed, steps), [(classes == one).nonzero()[:, 0] for one in trained]
    for _ in range(steps):
        rows = torch.cat([some[torch.randint(len(some), (8,))] for some in places])
        vectors, labels = model(images[rows]), classes[rows]
        optimiser.zero_grad()
        loss(vectors, labels, miner(vectors, labels) if miner else None).backward()
        optimiser.step()
    asked = torch.isin(classes, held)
    with torch.no_grad():
        return precision_at_r(nn.functional.normalize(model(images[asked])), classes[asked])


def precision_at_r(vectors: Tensor, labels: Tensor) -> float:
    """MAP@R of Musgrave et al., ECCV 2020: each row asks for the others of its class."""
    scores = (vectors @ vectors.T).fill_diagonal_(-torch.inf)
    relevant = (labels[:, None] == labels).sum(1) - 1
    hits = (labels[scores.argsort(1, descending=True)] == labels[:, None])[:, :-1]
    ranks = torch.arange(1, hits.shape[1] + 1)
    terms = hits.cumsum(1) / ranks * hits * (ranks <= relevant[:, None])
    return float((terms.sum(1) / relevant).mean())


if __name__ == "__main__":
    found = digits()
    for name in ARMS:
        print(f"{name:26} MAP@R {run(found, name, 200):.4f} of the classes of the validation part")
