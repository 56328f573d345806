"""A library that is missing, too old or broken is told in one line with the command that mends it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import negatives
from negatives.errors import ConfigError
from negatives.integrations.upstream import imported
from negatives.mining import Mining
from negatives.sampler import build
from negatives.types import Csr

KNOWN = Csr.from_pairs(torch.tensor([0]), torch.tensor([0]), 1, 1)
FOLDER = Path(negatives.__file__).parent / "integrations"
PARTS: dict[str, tuple[tuple[str, ...], Callable[[Any], object], str]] = {
    "metric_learning": (
        ("pytorch_metric_learning.miners",),
        lambda module: module.SamplerMiner(),
        "'negatives[metric-learning]'",
    ),
    "lightning": (
        ("lightning.pytorch.callbacks", "pytorch_lightning.callbacks"),
        lambda module: module.SamplerCallback(build("uniform")),
        "'negatives[lightning]'",
    ),
    "hugging_face": (
        ("transformers",),
        lambda module: module.SamplerCallback(module.Drawing(build("uniform"))),
        "'negatives[hugging-face]'",
    ),
    "sentence_transformers": (
        ("transformers",),
        lambda module: module.Remining(["a"], ["b"], KNOWN, Mining(), None),
        "'negatives[sentence-transformers]' datasets accelerate",
    ),
    "text_drawing": (
        ("sentence_transformers.sentence_transformer.data_collator",),
        lambda module: module.TextDrawing(["a"], ["b"], KNOWN, "uniform", None),
        "'negatives[sentence-transformers]' datasets accelerate",
    ),
    "pykeen": (
        ("pykeen.models", "pykeen.sampling", "pykeen.training"),
        lambda module: module.AdaptiveTrainingLoop(),
        "'negatives[pykeen]'",
    ),
    "rectools": (
        ("rectools.models.nn.transformers.lightning",),
        lambda module: module.with_negatives("uniform"),
        "--no-deps rectools pm-implicit typeguard && pip install 'pandas<3' pytorch-lightning",
    ),
}
"""By integration: what it imports, what is made of it, and what pip is to install."""


class Broken(ModuleType):
    """A module of a version that lacks everything."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this version has no {name}")


class Hidden(MetaPathFinder):
    """As if a package was not installed."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, *_: Any) -> None:
        if name == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def hide(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Hidden(package), *sys.meta_path])


def copy_of(name: str) -> ModuleType:
    """The module of an integration, read anew beside the one that others use."""
    spec = importlib.util.spec_from_file_location(f"copied_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("missing", [True, False])
def test_one_line_tells_what_to_do(name: str, missing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries, made, install = PARTS[name]
    if not missing and importlib.util.find_spec(libraries[0].partition(".")[0]) is None:
        pytest.skip(f"{name} is not installed, so its version cannot be broken")
    for one in PARTS:  # what they share is read with the libraries there
        importlib.import_module(f"negatives.integrations.{one}")
    for library in libraries:
        if missing:
            hide(library.partition(".")[0], monkeypatch)
        else:
            monkeypatch.setitem(sys.modules, library, Broken(library))
    monkeypatch.delitem(sys.modules, f"copied_{name}", raising=False)
    module = copy_of(name)
    with pytest.raises(ConfigError) as told:
        made(module)
    monkeypatch.delitem(sys.modules, f"copied_{name}")
    text = str(told.value)
    package = libraries[0].partition(".")[0]
    assert text.endswith(f"run: pip install {'' if missing else '-U '}{install}")
    assert "\n" not in text
    assert (f"needs the package {package};" in text) == missing


def test_a_version_without_what_is_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that the library no longer calls would be passed over in silence."""
    pykeen = importlib.import_module("pykeen.training")

    class Renamed:
        _create_training_data_loader = _save_state = None

    monkeypatch.setattr(pykeen, "SLCWATrainingLoop", Renamed)
    module = copy_of("pykeen")
    monkeypatch.delitem(sys.modules, "copied_pykeen")
    with pytest.raises(
        ConfigError, match=r"PyKEEN cannot use .* \(AttributeError: Renamed has no _load_state\); run: pip"
    ):
        module.AdaptiveTrainingLoop()


def test_a_library_that_fails_while_it_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fails_at_once.py").write_text("raise RuntimeError('no such\\ndevice')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"^it cannot use what is installed \(RuntimeError: no such device\); run: "):
        imported("fails_at_once", "it", "x")
    with pytest.raises(ConfigError, match=r"^it needs the package not_there; run: pip install x$"):
        imported("not_there.part", "it", "x")
