"""Nothing of the user's is replaced unasked, and what is read never is; files are written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from negatives.cli import main
from negatives.errors import InputError
from negatives.temporary import SUFFIX
from negatives.training.files import replacing
from negatives.training.run_folder import RunFolder
from negatives.training.targets import check_target, filling


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What a finished run leaves, as far as export and report need it."""
    folder = RunFolder(tmp_path / "run")
    folder.write_toml("config.toml", {"task": "recommend"})
    folder.write_tensors("model.safetensors", {"queries": torch.ones(2, 2), "items": torch.ones(3, 2)})
    rows = {"kind": ["item"] * 3 + ["query"] * 2, "index": [0, 1, 2, 0, 1], "name": list("abcuv")}
    pl.DataFrame(rows).write_parquet(folder.path / "ids.parquet")
    return folder.path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A table to mine from, with vectors beside it."""
    path = tmp_path / "data" / "pairs.jsonl"
    path.parent.mkdir()
    rows = [{"question": f"q{n}", "answer": f"a{n}"} for n in range(12)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for seed, name in enumerate(("queries", "items")):
        table = np.random.default_rng(seed).standard_normal((12, 4)).astype(np.float32)
        np.save(path.parent / f"{name}.npy", table)
    return path


def mine(pairs: Path, out: Path, *more: str) -> int:
    where = ["--vectors", str(pairs.parent), "--num-negatives", "1", *more]
    return main(["mine", str(pairs), "--out", str(out), *where])


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(capsys: pytest.CaptureFixture[str], code: int) -> str:
    lines = capsys.readouterr().err.strip().splitlines()
    assert (code, len(lines)) == (2, 1)
    return lines[0]


def test_mine_replaces_nothing_unasked(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = pairs.parent / "mined.jsonl"
    for name in ("mined.jsonl", "mined.report.json"):
        (pairs.parent / name).write_text("mine")
        before = content(pairs.parent)
        assert f"{name}: exists already; add --overwrite to replace it, or give another --out" in (
            refused(capsys, mine(pairs, out))
        )
        assert content(pairs.parent) == before
        (pairs.parent / name).unlink()
    assert mine(pairs, out) == 0
    (pairs.parent / f".out.killed{SUFFIX}").mkdir()
    assert mine(pairs, out) == 2
    assert not list(pairs.parent.glob(f".*{SUFFIX}"))
    out.write_text("x")
    assert mine(pairs, out, "--overwrite") == 0
    assert len(pl.read_ndjson(out)) == 12


def link(pairs: Path, out: Path) -> None:
    out.symlink_to(pairs)


def hard_link(pairs: Path, out: Path) -> None:
    os.link(pairs, out)


def dangling(pairs: Path, out: Path) -> None:
    out.symlink_to(pairs.parent / "nowhere")


def folder_link(pairs: Path, out: Path) -> None:
    out.parent.rmdir()
    out.parent.symlink_to(pairs.parent)
    os.rename(pairs.parent / "pairs.jsonl", pairs.parent / out.name)
    os.link(pairs.parent / out.name, pairs)


@pytest.mark.parametrize("way", [link, hard_link, dangling, folder_link])
def test_mine_never_writes_into_what_it_reads(
    way: Callable[[Path, Path], None], pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    out = tmp_path / "other" / "out.jsonl"
    way(pairs, out)
    before = content(pairs.parent)
    told = refused(capsys, mine(pairs, out, "--overwrite"))
    assert "is what is read; give another --out" in told or "nothing is written through links" in told
    assert content(pairs.parent) == before


@pytest.mark.parametrize("spelling", ["{}", "{}/../data/pairs.jsonl", "{}/./pairs.jsonl"])
def test_another_spelling_is_the_same_file(spelling: str, pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = Path(spelling.format(pairs.parent if "/" in spelling else pairs))
    assert "is what is read" in refused(capsys, mine(pairs, out, "--overwrite"))


def test_files_of_a_folder_that_is_read_are_read(pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "l.npy").symlink_to(pairs.parent / "items.npy")
    os.link(pairs.parent / "items.npy", tmp_path / "h.npy")
    for path in (pairs.parent / "items.npy", tmp_path / "h.npy"):
        with pytest.raises(InputError, match="is what is read"):
            check_target(path, overwrite=True, inputs=[pairs.parent, tmp_path / "none", None])
    with pytest.raises(InputError, match="through links"):
        check_target(tmp_path / "l.npy", overwrite=True)
    check_target(pairs.parent / "new.npy", inputs=[pairs.parent])


def test_foreign_files_beside_stay(pairs: Path) -> None:
    foreign = [pairs.parent / name for name in ("mined.jsonl.part", ".mined.jsonl.abc.part", "x.negatives.parts")]
    for path in foreign:
        path.write_text("mine")
    assert mine(pairs, pairs.parent / "mined.jsonl") == 0
    assert all(path.read_text() == "mine" for path in foreign)
    assert not list(pairs.parent.glob(f".*{SUFFIX}"))


def fill(target: Path, *names: str, then: Callable[[], object] = lambda: None) -> None:
    with filling(target) as folder:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("mine")
        then()


def yours(path: Path) -> None:
    path.write_text("yours")


def test_a_file_that_turns_up_while_mining_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists already"):
        fill(tmp_path, "a", then=lambda: yours(tmp_path / "a"))
    with pytest.raises(FileExistsError), replacing(tmp_path / "a", overwrite=False) as path:
        yours(path)
    assert content(tmp_path) == {"a": b"yours"}


def test_all_files_take_their_places_or_none(tmp_path: Path) -> None:
    yours(tmp_path / "b")
    with pytest.raises(InputError, match="b: exists already"):
        fill(tmp_path, "a", "b")
    with pytest.raises(FileNotFoundError) as caught:
        fill(tmp_path / "new", "a", then=(tmp_path / "none").read_text)
    assert caught.value.filename == str(tmp_path / "none")
    assert content(tmp_path) == {"b": b"yours"}
    assert not (tmp_path / "new").exists()
    fill(tmp_path / "new", "deep/a")
    assert content(tmp_path) == {"b": b"yours", "new/deep/a": b"mine"}
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "deep").symlink_to(tmp_path / "new")
    with pytest.raises(InputError, match="deep: is a link or a file"):
        fill(tmp_path / "link", "deep/b")
    with pytest.raises(InputError, match="is a file, not a folder"):
        fill(tmp_path / "b", "x")


def test_errors_name_the_file_that_was_to_be(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Is a directory") as caught:
        fill(tmp_path, "a/b", "a")
    assert caught.value.filename == str(tmp_path / "a")


@pytest.mark.parametrize("name", ["data.csv", "report.html"])
def test_report_replaces_nothing_unasked(
    name: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / name
    out.write_text("user,item\n")
    assert "exists already; add --overwrite" in refused(capsys, main(["report", str(run), "--out", str(out)]))
    assert out.read_text() == "user,item\n"
    assert main(["report", str(run), "--out", str(out), "--overwrite"]) == 0
    assert out.read_text().startswith("<!doctype html>")
    assert "exists already" in refused(capsys, main(["report", str(run), "--out", str(out)]))


def test_a_report_of_the_run_itself_is_renewed_and_a_foreign_one_is_not(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run)]) == 0
    assert main(["report", str(run)]) == 0
    assert main(["report", str(run), "--out", str(run / "report.html")]) == 0
    (run / "report.html").write_text("<html>my own</html>")
    assert "report.html: exists already" in refused(capsys, main(["report", str(run)]))
    assert main(["report", str(run), "--overwrite"]) == 0
    (run / "report.csv").write_text("mine")
    before = content(run)
    assert "report.csv: exists already" in refused(capsys, main(["report", str(run), "--format", "csv"]))
    assert content(run) == before
    assert "is what is read" in refused(
        capsys, main(["report", str(run), "--overwrite", "--out", str(run / "ids.parquet")])
    )


def test_export_replaces_what_it_wrote_and_nothing_else(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = ["export", str(run), "--format", "safetensors"]
    for _ in range(2):
        assert main(export) == 0
    (run / "export" / "ids.parquet").write_text("mine")
    before = content(run)
    assert "ids.parquet: exists already; add --overwrite" in refused(capsys, main(export))
    assert content(run) == before
    assert main([*export, "--overwrite"]) == 0
    out = tmp_path / "out"
    out.mkdir()
    (out / "vectors.safetensors").write_text("mine")
    assert "exists already" in refused(capsys, main([*export, "--out", str(out)]))
    assert content(out) == {"vectors.safetensors": b"mine"}
    assert main([*export, "--out", str(out), "--overwrite"]) == 0
    assert sorted(content(out)) == ["ids.parquet", "vectors.safetensors"]
