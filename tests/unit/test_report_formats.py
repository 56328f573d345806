"""The report's table and figures in other formats: each is parsed and holds the comparison's numbers."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import polars
import pytest
from test_report import RISES, write_comparison, write_run

from negatives.cli import main
from negatives.diagnostics.report import images, write_formats
from negatives.diagnostics.report.images import Mark, marks
from negatives.diagnostics.report.runs import load

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_comparison(tmp_path_factory.mktemp("runs") / "compare")


def written(folder: Path, out: Path, *formats: str) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in write_formats([folder], out / "report.html", formats)]


def test_markdown_holds_the_table_and_the_verdict(folder: Path, tmp_path: Path) -> None:
    (text,) = written(folder, tmp_path, "md")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert rows[0] == ["sampler", "recall@20", "ndcg@20", "time to uniform's best"]
    assert rows[1] == ["---", "---:", "---:", "---:"]
    assert [row[0].strip("*") for row in rows[2:]] == list(RISES)
    assert {len(row) for row in rows} == {4}
    best = max(RISES, key=lambda name: RISES[name])
    (bold,) = (row for row in rows if row[0] == f"**{best}**")
    mean = RISES[best]
    assert bold[1] == f"**{mean:.4f} ({mean - 0.002:.4f} to {mean + 0.002:.4f} · p = 1.2e-07)**"
    assert "softmax did best, which is more than chance." in text


def test_latex_is_a_table_of_equal_rows(folder: Path, tmp_path: Path) -> None:
    (text,) = written(folder, tmp_path, "latex")
    lines = text.splitlines()
    assert lines[0] == r"\begin{tabular}{lrrr}"
    rows = [line for line in lines if line.endswith(r"\\")]
    assert {row.count("&") for row in rows} == {3}
    assert len(rows) == 1 + 2 * len(RISES)
    assert sum(row.startswith(r"\textbf{") for row in rows) == 1
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    one = write_run(tmp_path / "run", "mine_a&b%", 0)
    (text,) = written(one or tmp_path / "run", tmp_path, "latex")
    assert r"mine\_a\&b\%" in text


def test_csv_holds_every_row_in_full(folder: Path, tmp_path: Path) -> None:
    (text,) = written(folder, tmp_path, "csv")
    frame = polars.read_csv(io.StringIO(text))
    summary = json.loads((folder / "compare.json").read_text())["summary"]
    assert frame.select("sampler", "metric").rows() == [(row["sampler"], row["metric"]) for row in summary]
    assert frame["mean"].to_list() == [row["mean"] for row in summary]
    assert frame["low"].to_list() == [row["interval"][0] for row in summary]
    assert frame["p_value"].to_list() == [row["p_value"] for row in summary]
    assert frame["seconds_to_baseline"].to_list() == [row["seconds_to_baseline"] for row in summary]
    (text,) = written(folder / "dns-1", tmp_path, "csv")
    frame = polars.read_csv(io.StringIO(text))
    test = json.loads((folder / "dns-1" / "metrics.json").read_text())["test"]
    assert frame.select("sampler", "seed", "metric", "value").rows() == [("dns", 1, *one) for one in test.items()]


def test_the_summary_marks_each_sampler_with_its_interval(folder: Path) -> None:
    found = marks(load([folder]), "recall@20")
    assert found == [Mark(name, mean, mean - 0.002, mean + 0.002) for name, mean in RISES.items()]
    test = [json.loads((folder / f"dns-{seed}" / "metrics.json").read_text())["test"]["ndcg@20"] for seed in range(2)]
    (one,) = marks(load([folder / "dns-0", folder / "dns-1"]), "ndcg@20")
    assert (one.low, one.mean, one.high) == (min(test), pytest.approx(sum(test) / 2), max(test))


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs the extra figures")
def test_images_hold_the_curves(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    names = ["learning-seconds", "learning-epochs", "summary"]
    paths = write_formats([folder], out, ["svg", "png"])
    assert [path.name for path in paths] == [f"page-{name}.{end}" for end in ("svg", "png") for name in names]
    first = [path.read_bytes() for path in paths]
    for path in paths[:3]:
        tree = ET.parse(path)
        drawn = [one for one in tree.iter(f"{SVG}g") if (one.get("id") or "").startswith("line2d_")]
        assert len(drawn) >= len(RISES)
    strokes = set(re.findall(r"stroke: (#[0-9a-f]{6})", paths[0].read_text()))
    assert {"#0072b2", "#d55e00", "#009e73"} <= strokes
    for path in paths[3:]:
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [path.read_bytes() for path in write_formats([folder], out, ["svg", "png"])] == first


def test_without_the_package_images_are_refused_in_one_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda name: None)
    assert main(["report", str(folder), "--out", str(tmp_path / "r.html"), "--format", "md,svg"]) == 2
    assert "pip install 'negatives[figures]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_what_it_is_asked_for(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r.html"
    assert main(["report", str(folder), "--out", str(out), "--format", "md, latex,csv"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"r.html", "r.md", "r.tex", "r.csv"}
    assert f"written: {tmp_path / 'r.tex'}" in capsys.readouterr().out
    assert main(["report", str(folder), "--format", "mdd"]) == 2
    assert "no format is called 'mdd'; did you mean md?" in capsys.readouterr().err
