"""A run as a folder of Hugging Face's hub: weights, ``config.json`` and a card, which ``negatives.load`` opens too."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from negatives.answering import Run
from negatives.config import load_config
from negatives.models.encoders.sentence_transformers import FOLDER
from negatives.runs.exports.card import card
from negatives.runs.opening import opened
from negatives.training.run_folder import CONFIG, IDS, KEPT, METRICS, MODEL, RunFolder

WHOLE = (MODEL, KEPT, IDS)
PRIVATE = ("command", "environment")
"""What metrics.json says of the machine that trained."""
USE = """
import negatives

run = negatives.load("path/of/this/folder")
print(run)
print(*run.forms, sep="\\n")  # what it can be asked
"""
HELD = """\
The folder holds what answering needs: weights, names, and what each query is known to go with, which are the training
data in part. Publish it only where that may be published."""


def write_hub(path: Path, target: Path) -> None:
    """What answering needs of a run, without the folders of this machine, and a card.

    Raises:
        InputError: The folder holds no finished run that stands alone.
    """
    run = opened(path)
    folder = RunFolder(target)
    for name in WHOLE:
        shutil.copyfile(path / name, target / name)
    if (path / FOLDER).is_dir():
        shutil.copytree(path / FOLDER, target / FOLDER)
    config = _apart(load_config(path / CONFIG))
    if "data" in config:
        config["data"] = run.held.metrics.get("data")  # a name, and no path
    folder.write_toml(CONFIG, config)
    folder.write_json(METRICS, {key: one for key, one in run.held.metrics.items() if key not in PRIVATE})
    folder.write_json("config.json", _described(run))
    folder.write_text("README.md", card(run, USE, {"library_name": "negatives"}, [" ".join(HELD.split())]))


def _described(run: Run) -> dict[str, Any]:
    """What programs that know the hub look at first."""
    config = run.held.config
    tables = {kind: list(table.shape) for kind, table in run.held.tables.items()}
    version = run.held.metrics.get("environment", {}).get("negatives")
    model = _named(config.model.plain) if config.model else None
    return {
        "library_name": "negatives",
        "negatives_version": version,
        "task": config.task,
        "model": model,
        "vectors": tables,
    }


def _apart(values: Mapping[str, Any]) -> dict[str, object]:
    """Values with the last names of paths in place of whole ones."""
    return {key: _named(one) for key, one in values.items()}


def _named(value: object) -> object:
    if isinstance(value, Mapping):
        return _apart(value)
    if isinstance(value, list):
        return [_named(one) for one in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
