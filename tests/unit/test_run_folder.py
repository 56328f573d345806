"""Run folders: nothing before the first write, nothing overwritten, valid files."""

from __future__ import annotations

import json
import math
import os
import tomllib
from pathlib import Path

import pytest
import torch

from negatives.errors import InputError
from negatives.training.run_folder import RunFolder, environment, plain


def test_nothing_is_created_before_the_first_write(tmp_path: Path) -> None:
    folder = RunFolder.new("recommend", None, "default", root=tmp_path / "runs")
    folder.check_free()
    assert list(tmp_path.iterdir()) == []
    folder.write_json("metrics.json", {"a": 1})
    assert folder.read_json("metrics.json") == {"a": 1}
    assert [path.name for path in folder.path.iterdir()] == ["metrics.json"]


def test_new_folders_are_unique_and_their_names_speak(tmp_path: Path) -> None:
    seen = set()
    for _ in range(3):
        folder = RunFolder.new("recommend", "/a b/ratings v2.csv.gz", "dns", root=tmp_path)
        folder.write_text("x", "")
        seen.add(folder.path.name)
    assert len(seen) == 3
    assert all(name.startswith("recommend-ratings_v2-dns-2") for name in seen)


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("config.toml", "holds a run already; add --resume"),
        ("metrics.json", "holds a finished run already; choose another --out"),
        ("compare.json", "holds a finished comparison already; choose another --out"),
        ("thesis.doc", "holds other files"),
    ],
)
def test_what_is_there_is_not_overwritten(tmp_path: Path, inside: str, message: str) -> None:
    (tmp_path / inside).write_text("")
    with pytest.raises(InputError, match=message):
        RunFolder(tmp_path).check_free()


def test_places_that_cannot_hold_a_run(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="is a file"):
        RunFolder(file / "run").check_free()
    (tmp_path / "empty").mkdir()
    RunFolder(tmp_path / "empty").check_free()


def test_a_folder_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(InputError, match=f"^{tmp_path}: cannot be written; choose another"):
        RunFolder(tmp_path / "a" / "b").check_free()


def test_check_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such run folder"):
        RunFolder(tmp_path / "x").check_run()
    with pytest.raises(InputError, match=r"no config\.toml"):
        RunFolder(tmp_path).check_run()
    RunFolder(tmp_path).write_toml("config.toml", {"a": None, "b": {"c": 1, "d": None}})
    RunFolder(tmp_path).check_run()
    assert tomllib.loads((tmp_path / "config.toml").read_text()) == {"b": {"c": 1}}


def test_a_finished_run_does_not_go_on(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(InputError, match=r"no config\.toml"):
        folder.check_unfinished()
    folder.write_toml("config.toml", {})
    folder.check_unfinished()
    folder.write_json("metrics.json", {})
    with pytest.raises(InputError, match="the run is finished; choose another --out"):
        folder.check_unfinished()


def test_json_is_always_valid(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    value = {"t": torch.tensor(1.5), "n": math.nan, "i": [math.inf, torch.arange(2)], "p": Path("a"), "ä": None}
    folder.write_json("a.json", value)
    expected = {"t": 1.5, "n": None, "i": [None, [0, 1]], "p": "a", "ä": None}
    assert json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail) == expected
    assert plain(value) == expected


def test_missing_and_broken_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"m\.json: No such file"):
        RunFolder(tmp_path).read_json("m.json")
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(InputError, match=r"m\.json: not JSON"):
        RunFolder(tmp_path).read_json("m.json")


def test_the_environment_names_versions_and_machine() -> None:
    found = environment(threads=1)
    assert found["torch"] == torch.__version__
    assert found["threads"] == 1
    assert all(found[key] for key in ("python", "numba", "cpu", "cores", "platform"))
    assert json.dumps(found)
