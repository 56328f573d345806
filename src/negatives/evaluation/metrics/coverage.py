"""Coverage of the catalogue."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Ranked


@final
class Coverage(Metric[Ranked]):
    """Share of the ranked items that at least one query is shown among its first ``k``."""

    needs = Ranked
    cut = "needed"
    per_query = False

    def of(self, value: Ranked) -> Tensor:
        shown = value.items[:, : self.at]
        different = torch.unique(shown[shown >= 0]).numel()
        return torch.tensor([different / max(1, value.n_candidates)], dtype=torch.float64)
