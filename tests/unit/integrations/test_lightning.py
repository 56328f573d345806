"""A sampler in Lightning's trainer: it trains, resumes bit for bit, follows the trainer's progress, and logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import negatives
from negatives import losses
from negatives.integrations.lightning import SamplerCallback
from negatives.scoring import Vectors

pytestmark = pytest.mark.filterwarnings("ignore")
USERS, ITEMS = 40, 60
PAIRS = torch.stack([torch.arange(160) % USERS, (torch.arange(160) * 7 + torch.arange(160) // USERS) % ITEMS])
FOLLOWING = {
    "proposal": {"name": "cached", "size": 8},
    "candidates": 8,
    "select": {"name": "hard_share", "share": {"schedule": "linear", "start": 0.0, "stop": 1.0}},
}
"""Remembers items for each query, and changes with progress."""


class Towers(LightningModule):
    """Two tables."""

    def __init__(self, spec: Any = "dns", name: str = "negatives") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.users, self.items = nn.Embedding(USERS, 8), nn.Embedding(ITEMS, 8)
        self.negatives = SamplerCallback(negatives.sampler(spec, train=(PAIRS[0], PAIRS[1])), name)
        self.drawn: list[Tensor] = []
        self.progress: list[float | None] = []

    def configure_callbacks(self) -> list[Any]:
        return [self.negatives]

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        users, items, rows = batch
        queries = self.users(users)
        wrong = self.negatives(users, items, Vectors(queries, self.items), examples=rows)
        self.drawn.append(wrong.ids)
        self.progress.append(self.negatives._progress)
        positive = (queries * self.items(items)).sum(-1)
        return losses.bpr(positive, (queries[:, None] * self.items(wrong.ids)).sum(-1), wrong)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.05)


def trainer(folder: Path, steps: int = -1, epochs: int | None = None, **given: Any) -> Trainer:
    options: dict[str, Any] = {"logger": False, "enable_checkpointing": False} | given
    return Trainer(
        max_steps=steps,
        max_epochs=epochs,
        accelerator="cpu",
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


def loader() -> DataLoader[tuple[Tensor, ...]]:
    """Ten batches: Lightning itself does not go on within an epoch, unless the loader has a state."""
    return DataLoader(TensorDataset(*PAIRS, torch.arange(PAIRS.shape[1])), batch_size=16)


def same(one: nn.Module, two: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize("spec", ["dns", FOLLOWING], ids=["dns", "following"])
def test_ten_steps_and_ten_after_a_resume_are_twenty(spec: Any, tmp_path: Path) -> None:
    whole = Towers(spec)
    trainer(tmp_path, 20).fit(whole, loader())
    first = Towers(spec)
    saving = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=10, save_top_k=-1)
    begun = trainer(tmp_path, 20, enable_checkpointing=True, callbacks=[saving])
    begun.fit(first, loader())
    second = Towers(spec)
    trainer(tmp_path, 20).fit(second, loader(), ckpt_path=str(tmp_path / "step=10.ckpt"))
    assert len(whole.drawn) == 20
    assert len(second.drawn) == 10
    assert all(torch.equal(one, two) for one, two in zip(whole.drawn[10:], second.drawn, strict=True))
    assert same(whole, second)
    assert second.negatives.sampler.state()["step"] == 20


def test_what_the_sampler_learnt_is_in_the_checkpoint(tmp_path: Path) -> None:
    """Without it, the second half would draw otherwise: the test above would not be one."""
    spec, path = FOLLOWING, tmp_path / "half.ckpt"
    first, second = Towers(spec), Towers(spec)
    half = trainer(tmp_path, 10)
    half.fit(first, loader())
    half.save_checkpoint(path)
    saved = torch.load(path, weights_only=True)
    assert saved["callbacks"]["negatives.negatives"]["sampler"]["step"] == 10
    del saved["callbacks"]["negatives.negatives"]
    torch.save(saved, path)
    trainer(tmp_path, 20).fit(second, loader(), ckpt_path=str(path))
    whole = Towers(spec)
    trainer(tmp_path, 20).fit(whole, loader())
    assert not same(whole, second)


def test_progress_is_the_trainers(tmp_path: Path) -> None:
    steps, epochs, both = Towers(), Towers(), Towers()
    trainer(tmp_path, 20).fit(steps, loader())
    assert steps.progress == [step / 20 for step in range(20)]
    trainer(tmp_path, epochs=2).fit(epochs, loader())
    assert epochs.progress == [step / 20 for step in range(20)]
    trainer(tmp_path, 8, epochs=1).fit(both, loader())
    assert both.progress == [step / 8 for step in range(8)]
    halves = Towers()
    trainer(tmp_path, 10, accumulate_grad_batches=2).fit(halves, loader())
    assert halves.progress == [step // 2 / 10 for step in range(20)]


def test_epochs_draw_anew(tmp_path: Path) -> None:
    towers = Towers("uniform")
    trainer(tmp_path, epochs=2).fit(towers, loader())
    assert not torch.equal(torch.cat(towers.drawn[:10]), torch.cat(towers.drawn[10:]))


def test_signals_and_decisions_are_logged(tmp_path: Path) -> None:
    hold = {"hold": "violation_rate", "target": 0.1, "start": 8, "low": 2, "high": 20}
    towers = Towers({"candidates": hold, "select": {"name": "hardest", "k": 1}, "observe_every": 2}, "hard")
    logger = CSVLogger(tmp_path)
    trainer(tmp_path, 20, logger=logger, log_every_n_steps=1).fit(towers, loader())
    logger.save()
    header, *lines = (Path(logger.log_dir) / "metrics.csv").read_text().splitlines()
    assert {"hard/violation_rate", "hard/gap", "hard/control.candidates"} <= set(header.split(","))
    at = header.split(",").index("hard/control.candidates")
    told = [float(line.split(",")[at]) for line in lines]
    assert len(told) == 20
    assert told[::2] == told[1::2]  # Lightning repeats what was logged last
    assert len(set(told)) == 10


def test_nothing_is_logged_where_it_is_not_wanted(tmp_path: Path) -> None:
    towers = Towers()
    towers.negatives = SamplerCallback(negatives.sampler("dns", train=PAIRS), log=False)
    logger = CSVLogger(tmp_path)
    trainer(tmp_path, 5, logger=logger, log_every_n_steps=1).fit(towers, loader())
    assert not any("negatives" in name for one in logger.experiment.metrics for name in one)


def test_two_samplers_of_one_training(tmp_path: Path) -> None:
    one, other = (SamplerCallback(negatives.sampler("uniform", train=PAIRS), name) for name in ("a", "b"))
    assert one.state_key != other.state_key


def test_the_trainer_of_the_older_name(tmp_path: Path) -> None:
    """``pytorch_lightning`` is the same library under another name."""
    import pytorch_lightning

    class Older(pytorch_lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.items = nn.Embedding(ITEMS, 4)
            self.negatives = SamplerCallback(negatives.sampler("uniform", train=PAIRS))

        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            wrong = self.negatives(batch[0], batch[1], examples=batch[2])
            return self.items(wrong.ids).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    older = Older()
    options: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    pytorch_lightning.Trainer(
        max_steps=3, accelerator="cpu", callbacks=[older.negatives], enable_checkpointing=False, **options
    ).fit(older, loader())
    assert older.negatives.sampler.state()["step"] == 3
