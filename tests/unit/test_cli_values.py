"""What the command line hands on, and what ``doctor`` finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from negatives import kernels
from negatives.cli import checks
from negatives.cli.compare import compare
from negatives.cli.options import RunOptions, configuration
from negatives.errors import ConfigError


def test_every_option_is_handed_on() -> None:
    given: dict[str, Any] = {
        "model": "mf", "loss": "bpr", "epochs": 3, "max_seconds": 7.5, "seed": 4, "threads": 2, "recipe": "default",
    }  # fmt: skip
    config = configuration("recommend", "d", "dns", RunOptions(**given))
    found = {name: getattr(config, name) for name in given}
    assert {name: getattr(value, "plain", value) for name, value in found.items()} == given
    assert (config.task, config.data, str(config.sampler)) == ("recommend", "d", "dns")


def test_layers_win_in_their_order(tmp_path: Path) -> None:
    """The run that goes on, the file, the options, and single entries."""
    file, model = tmp_path / "file.toml", {"name": "mf", "dim": 1}
    resumed = "begun.json", {"task": "recommend", "seed": 1, "epochs": 1, "threads": 1, "model": model}
    file.write_text("seed = 2\nepochs = 2\n[model]\ndim = 2\n")
    options = RunOptions(config=file, seed=3, set=("model.init=0.5",))
    found = configuration(None, None, None, options, resumed=resumed)
    assert (found.threads, found.epochs, found.seed) == (1, 2, 3)
    assert found.model is not None
    assert found.model.params == {"dim": 2, "init": 0.5}
    again = configuration(None, None, None, RunOptions(config=file, seed=3, set=("seed=4",)), resumed=resumed)
    assert again.seed == 4


@pytest.mark.parametrize(("samplers", "seeds"), [("dns,dns", 1), (" , ", 1), ("dns,uniform", 0)])
def test_a_comparison_needs_other_samplers_and_a_run(samplers: str, seeds: int) -> None:
    with pytest.raises(ConfigError, match=r"must hold different names|seeds must be at least 1"):
        compare("recommend", "nowhere.csv", samplers=samplers, seeds=seeds)


@pytest.mark.parametrize(("version", "status"), [("2.9.1", checks.Status.BROKEN), ("2.10.0+cpu", checks.Status.OK)])
def test_an_old_torch_is_told(version: str, status: checks.Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", version)
    found, text = checks.torch_version()
    assert found is status
    assert ("install torch 2.10 or newer" in text) is (status is checks.Status.BROKEN)


@pytest.mark.parametrize(
    ("compiled", "plain", "says"), [(8, 7, "disagree"), (-1, -1, "a known item was drawn"), (8, 8, "kernels agree")]
)
def test_doctor_compares_the_kernels(compiled: int, plain: int, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Item 8 is nobody's; -1 stands for the item that each row knows."""
    answers = iter((compiled, plain))

    def draw(rows: torch.Tensor, k: int, *_: object, **__: object) -> torch.Tensor:
        item = next(answers)
        return (rows % 7 if item < 0 else torch.full_like(rows, item))[:, None].expand(-1, k)

    monkeypatch.setattr(kernels, "draw_uniform", draw)
    status, text = checks.self_test()
    assert says in text
    assert status is (checks.Status.OK if says == "kernels agree" else checks.Status.BROKEN)


def test_short_options_stand_for_keys() -> None:
    options = RunOptions(
        lr=0.1, dim=8, batch_size=32, device="cpu", columns=("user=Kunde,item=Artikel, rot", "time=Datum")
    )
    config = configuration("recommend", "./-", None, options)
    assert (config.optimiser.lr, config.batch_size, config.device, config.data) == (0.1, 32, "cpu", "-")
    assert config.model is not None
    assert (config.model.name, config.model.params) == (None, {"dim": 8})
    assert config.columns == {"user": "Kunde", "item": "Artikel, rot", "time": "Datum"}
    named = configuration("recommend", "d", None, RunOptions(model="mf", dim=8, set=("columns.item=Nr",)))
    assert named.model is not None
    assert (named.model.name, named.model.params) == ("mf", {"dim": 8})
    assert named.columns == {"item": "Nr"}
