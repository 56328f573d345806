"""RecTools' SASRec trains with negatives that see the model: no item of the session, never padding, and log q."""

from __future__ import annotations

import logging
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.integrations import rectools
from negatives.integrations.rectools import SessionNegatives, Sessions, session_sampler, with_negatives
from negatives.types import Negatives

USERS, ITEMS, LENGTH, BATCH = 32, 40, 6, 8
pytestmark = pytest.mark.filterwarnings("ignore")  # RecTools' and Lightning's own
real = pytest.mark.skipif(rectools.ERROR is not None, reason=f"RecTools cannot be used here: {rectools.ERROR}")


def batch() -> tuple[Tensor, Tensor]:
    """Sessions as RecTools has them, padded on the left; ids from 1."""
    rows = torch.stack([1 + torch.randperm(ITEMS)[: LENGTH + 1] for _ in range(BATCH)])
    x, y = rows[:, :-1].clone(), rows[:, 1:].clone()
    x[0, :4] = y[0, :4] = 0
    return x, y


def last_items(interactions: Any) -> Any:
    """Which interactions are the last of their users, for RecTools' validation."""
    return (interactions.groupby("user_id").cumcount(ascending=False) == 0).to_numpy()


def fitted(loss: str = "BCE", k: int = 1, epochs: int = 5, kind: str = "SASRecModel", **more: Any) -> Any:
    """A tiny transformer of RecTools after ``4 * epochs`` steps."""
    import pandas as pd
    import pytorch_lightning as lightning
    import rectools.models
    from rectools import Columns
    from rectools.dataset import Dataset

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    users = np.arange(USERS).repeat(LENGTH + 1)
    items = (np.arange(USERS)[:, None] + np.arange(LENGTH + 1) * 3) % ITEMS
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.tile(np.arange(LENGTH + 1), USERS), unit="D")
    columns = {Columns.User: users, Columns.Item: items.flatten(), Columns.Weight: 1.0, Columns.Datetime: days}
    sizes = {"n_blocks": 1, "n_heads": 1, "n_factors": 8, "session_max_len": LENGTH, "batch_size": BATCH}
    made = getattr(rectools.models, kind)
    model = made(loss=loss, n_negatives=k, recommend_torch_device="cpu", **sizes, **more)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    model._trainer = lightning.Trainer(max_epochs=epochs, accelerator="cpu", logger=False, **quiet)
    return model.fit(Dataset.construct(pd.DataFrame(columns)))


def test_no_item_of_the_session_and_no_padding() -> None:
    x, y = batch()
    found = Sessions(session_sampler("uniform", 300), 1, ITEMS)(x, y, y != 0)
    rows = (y != 0).nonzero()[:, 0]
    assert found.ids.shape == (BATCH * LENGTH - 4, 300)
    assert found.log_q is not None
    for row in range(BATCH):
        own = {*x[row].tolist(), *y[row].tolist()} - {0}
        assert set(found.ids[rows == row].flatten().tolist()) == set(range(1, ITEMS + 1)) - own
        assert np.allclose(found.log_q[rows == row].numpy(), -np.log(ITEMS - len(own)), atol=1e-5)


@real
def test_a_sampler_sees_the_model_in_rectools_own_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Tensor, Tensor, Tensor, Any, Negatives]] = []
    draw = Sessions.__call__

    def spy(self: Sessions, x: Tensor, y: Tensor, places: Tensor, scorer: Any, **when: Any) -> Negatives:
        found = draw(self, x, y, places, scorer, **when)
        seen.append((x, y, places, scorer, found))
        return found

    monkeypatch.setattr(Sessions, "__call__", spy)
    spec = {"candidates": 400, "select": {"name": "hardest", "k": 1}}
    model = fitted(**with_negatives(spec))
    assert model.fit_trainer.global_step == 20 == len(seen)
    assert len({tuple(found.ids[:, 0].tolist()) for *_, found in seen}) > 1
    x, y, places, scorer, found = seen[-1]
    scores = scorer.queries @ scorer.items.T
    rows = places.nonzero()[:, 0]
    for ids in (x, y):
        for column in ids.T:
            scores.scatter_(1, (column[rows] - 1).clamp(min=0)[:, None], -torch.inf)
    assert torch.equal(found.ids[:, 0], scores.argmax(1) + 1)
    assert model.lightning_model.sessions.counts.sum() == USERS * (LENGTH + 1)


@real
def test_the_softmax_is_corrected() -> None:
    """With every item in the pool, the sampled softmax is the softmax over all but the session's other items."""
    module = fitted("sampled_softmax", ITEMS, epochs=1, **with_negatives("full")).lightning_model
    x, y = batch()
    places = y != 0
    rows, positive = torch.randn(int(places.sum()), 8), y[places]
    found = module.sessions(x, y, places)
    items = torch.randn(ITEMS + 1, 8)
    right, wrong = (module._logits(rows, items, ids) for ids in (positive[:, None], found.ids))
    loss = module._loss_of(right[:, 0], wrong, found, torch.ones(len(rows)))
    scores = rows @ items.T
    scores[:, 0] = -torch.inf
    owner = places.nonzero()[:, 0]
    for column in (*x.T, *y.T):
        other = column[owner]
        scores.scatter_(1, torch.where(other == positive, 0, other)[:, None], -torch.inf)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(scores, positive))


@real
def test_losses_of_both_and_the_state_in_a_checkpoint(tmp_path: Path) -> None:
    for loss in ("gBCE", "bpr"):
        model = fitted(loss, 2, 1, **with_negatives("dns"))
        assert torch.isfinite(model.lightning_model.torch_model.item_model.get_all_embeddings()).all()
    model.fit_trainer.save_checkpoint(tmp_path / "model.ckpt")
    checkpoint = torch.load(tmp_path / "model.ckpt", weights_only=False)
    module = model.lightning_model
    state = module.sessions.sampler.state()
    assert state["step"] == 4
    module.on_load_checkpoint(checkpoint)
    module.sessions, module.drawn.sampler = None, session_sampler("dns", 2)
    assert module._bound(module.drawn).sampler.state() == state
    assert model.get_config(simple_types=True)["negative_sampler_kwargs"] == {"sampler": "dns", "seed": 0}


@real
@pytest.mark.parametrize("loss", ["bpr", "nce", "sampled_softmax"])
def test_a_validation_loss_is_that_of_the_training(loss: str) -> None:
    """RecTools knows only its own losses there."""
    spec = "uniform" if loss != "nce" else {"proposal": "uniform", "pool": 3}
    model = fitted(loss, 3, 2, get_val_mask_func=last_items, **with_negatives(spec))
    found = float(model.fit_trainer.callback_metrics["val_loss"])
    module = model.lightning_model.eval()
    if loss != "bpr":
        assert np.isfinite(found)
        return
    each = []
    for batch in model.data_preparator.get_dataloader_val():
        with torch.no_grad():
            logits = module.get_batch_logits(batch)[:, -1]
        assert not (batch["negatives"][:, 0] == batch["y"]).any()
        each += torch.nn.functional.softplus(logits[:, 1:] - logits[:, :1]).mean(1).tolist()
    assert len(each) == USERS
    assert found == pytest.approx(np.mean(each), abs=1e-5)


@real
def test_draws_see_the_scores_of_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a cosine and a scale, a softmax by the model is that of ``s / logits_t``; BERT4Rec trains too."""
    seen: list[tuple[Tensor, Tensor]] = []
    score = rectools.NegativesModule._loss_of

    def spy(self: Any, positive: Tensor, negative: Tensor, negatives: Negatives, weight: Tensor) -> Tensor:
        assert negatives.scores is not None
        seen.append((negative.detach(), negatives.scores))
        return score(self, positive, negative, negatives, weight)

    monkeypatch.setattr(rectools.NegativesModule, "_loss_of", spy)
    own: dict[str, Any] = {
        "similarity_module_kwargs": {"distance": "cosine"},
        "lightning_module_kwargs": {"logits_t": 0.1},
    }
    model = fitted(kind="BERT4RecModel", mask_prob=0.5, **own, **with_negatives("dns"))
    assert model.fit_trainer.global_step == 20 == len(seen)
    assert max(float(negative.abs().max()) for negative, _ in seen) > 2
    for negative, scores in seen:
        torch.testing.assert_close(scores, negative, atol=1e-4, rtol=1e-4)


@real
def test_in_the_loader_negatives_are_uniform() -> None:
    x, y = batch()
    sampler = SessionNegatives(50)
    drawn = sampler.get_negatives({"x": x, "y": y}, 1, ITEMS + 1)
    assert drawn.shape == (BATCH, LENGTH, 50)
    assert not (drawn[1].flatten()[:, None] == torch.cat([x[1], y[1]])).any()
    assert int(drawn.min()) == 1
    assert int(drawn.max()) == ITEMS
    valid = {"x": x, "y": y[:, -1:]}
    first, second = (sampler.get_negatives(valid, 1, ITEMS + 1, session_len_limit=1) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == (BATCH, 1, 50)
    with pytest.raises(ConfigError, match=r"dns is drawn in the training step; give the model \*\*with_negatives"):
        SessionNegatives(1, "dns").get_negatives({"x": x, "y": y}, 1, ITEMS + 1)
    for spec, name in (
        ({"proposal": "cached", "candidates": 1}, "Cached"),
        ({"candidates": 1, "guards": [{"name": "unless_given", "guards": ["own_positive"]}]}, "UnlessGiven"),
    ):
        with pytest.raises(ConfigError, match=f"{name} looks up the user, whom RecTools' batches do not name"):
            SessionNegatives(1, spec)


def test_what_is_missing_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="did you mean uniform"):
        with_negatives("unifrom")
    monkeypatch.setattr(rectools, "ERROR", TypeError("unique requires a Series,\ngot tuple"))
    with pytest.raises(ConfigError) as told:
        with_negatives("dns")
    assert str(told.value).count("\n") == 0
    assert "RecTools cannot use what is installed (TypeError: unique requires a Series, got tuple); run: pip" in str(
        told.value
    )


@real
def test_the_example(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parents[3] / "examples" / "rectools_sasrec.py"
    assert len(path.read_text().splitlines()) < 80
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    own, adaptive = (float(one) for one in re.findall(r"NDCG@10 ([\d.]+)", capsys.readouterr().out))
    assert adaptive > 1.1 * own > 0.0
