"""What a report shows of a run beyond its curves, and what it is as a file: small, whole, and on its own."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import polars
import pytest
from test_report import drawn, history, note, read, table, titles, unpacked, write_comparison, write_run

from negatives.cli import main
from negatives.diagnostics import write_report
from negatives.diagnostics.report import write_formats

EVALUATION = {"kind": "evaluation", "epoch": 0.0, "best": False}


def reported(tmp_path: Path, *runs: Path) -> Path:
    write_report(runs, tmp_path / "report.html")
    return tmp_path / "report.html"


def write_queries(run: Path, values: list[float], known: list[int], metric: str = "recall@20") -> None:
    names = [f"user {place:03}" for place in range(len(values))]
    frame = {"metric": [metric] * len(values), "query": range(len(values)), "value": values}
    polars.DataFrame(frame | {"name": names, "known": known}).write_parquet(run / "per_query.parquet")


def test_the_file_is_small_whole_and_asks_nobody(tmp_path: Path) -> None:
    out = reported(tmp_path, write_comparison(tmp_path / "compare"))
    page = out.read_text(encoding="utf-8")
    assert out.stat().st_size < 1_000_000
    library = unpacked(page, "library")
    assert library.startswith("/**\n* plotly.js (basic - minified)")
    assert page.count('id="library"') == 1
    assert re.findall(r"""(?:src|href|action)\s*=\s*["']?([^"'>\s]*)""", page) == []
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest", page)
    assert "default-src 'none'" in page  # nor could a script in it ask anybody
    files = resources.files("negatives.diagnostics").joinpath("page")
    assert "MIT License" in files.joinpath("plotly-LICENSE.txt").read_text(encoding="utf-8")
    assert "@media print" in page
    assert "(prefers-color-scheme: dark)" in page


def test_the_untrained_model_and_the_loss_are_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    note(run, EVALUATION | {"step": 0, "seconds": 0.0, "metrics": {"recall@20": 0.002}})
    out = reported(tmp_path, run)
    _, figures = read(out)
    for heading in ("Against time", "Against epochs"):
        curve = figures[titles(out)[heading]]["data"][0]
        assert (curve["x"][0], curve["y"][0]) == (0.0, 0.002)
    broken = write_run(tmp_path / "broken", finished=False)
    text = (broken / "history.jsonl").read_text()
    first = json.dumps(EVALUATION | {"step": 0, "seconds": 0.0, "metrics": {"recall@20": 0.9}})
    (broken / "history.jsonl").write_text(f"{first}\n{text}")
    write_report([broken], tmp_path / "broken.html")
    assert "recall@20 0.1" in read(tmp_path / "broken.html")[0]  # 0.9 is no state to go back to
    lines = [one for one in history("softmax", 0) if one["kind"] == "step"]
    thin, thick = figures[titles(out)["Training loss"]]["data"]
    assert thin["y"] == pytest.approx([one["loss"] for one in lines], rel=1e-4)
    assert thick["y"][0] == pytest.approx(lines[0]["loss"], rel=1e-4)
    assert thick["y"][20] == pytest.approx(sum(thin["y"][16:25]) / 9, rel=1e-4)


def test_equal_points_look_equal(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    looks = [
        EVALUATION | {"step": step, "seconds": step / 10, "epoch": step / 24, "metrics": {"recall@20": value}}
        for step, value in ((24, 0.9031), (48, 0.9018), (72, 0.9025))
    ]
    (run / "history.jsonl").write_text("".join(json.dumps(one) + "\n" for one in looks))
    out = reported(tmp_path, run)
    low, high = read(out)[1][titles(out)["Against time"]]["layout"]["yaxis"]["range"]
    assert low < 0.9018
    assert high > 0.9031
    assert high - low > 0.09
    looks.insert(0, EVALUATION | {"step": 0, "seconds": 0.0, "metrics": {"recall@20": 0.01}})
    (run / "history.jsonl").write_text("".join(json.dumps(one) + "\n" for one in looks))
    axis = read(reported(tmp_path, run))[1][titles(out)["Against time"]]["layout"]["yaxis"]
    assert "range" not in axis
    assert axis["rangemode"] == "tozero"


def test_an_uncertain_rate_has_few_digits_and_an_interval(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    rates = [0.08, 0.33, 0.21, 0.12, 0.30, 0.16]
    lines = [
        {"kind": "step", "step": 8 * place + 1, "seconds": 1.0, "false_negative_rate": rate}
        for place, rate in enumerate([0.5] * 18 + rates)
    ]
    (run / "history.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    text, _ = read(reported(tmp_path, run))
    # mean 0.2, standard deviation 0.0994, Student's t of 5 degrees 2.571: half of the interval is 0.104
    assert "false negatives 20 % 10 to 30 % of the negatives" in text
    assert "single looks 8 % to 33 %" in text


def test_head_and_tail_and_every_query(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    values, known = [0.1, 0.3] * 10 + [0.8, 1.0] * 10, [1] * 20 + [40] * 10 + [50] * 10
    write_queries(run, values, known)
    whole = json.loads((run / "metrics.json").read_text())
    note(run, test=whole["test"] | {"recall@20": 0.55}, parameters=123_456_789, peak_memory_mb=1536.0)
    out = reported(tmp_path, run)
    rows = table(out, "Head and tail")
    assert rows[0] == ["in training", "queries", "recall@20"]
    assert [row[:2] for row in rows[1:]] == [["1 pair", "20"], ["40 pairs", "10"], ["50 pairs", "10"]]
    # 20 values of mean 0.2 and standard deviation 0.1026: Student's t of 19 degrees, 2.093, gives 0.048
    assert rows[1][2] == "0.2000 0.1520 to 0.2480"
    grid = drawn(out)["grids"]["grid-by_user"]
    assert grid["order"] == 2
    assert grid["rows"][0] == ["user 000", 1, 0.1]
    assert sorted(row[0] for row in grid["rows"]) == [f"user {place:03}" for place in range(40)]
    text, _ = read(out)
    assert "By user: 40 rows" in text
    assert re.search(r"recall@20 0\.5500 test part, 0\.4\d+ to 0\.6\d+", text)
    assert "parameters 123 M" in text
    assert "peak memory 1.54 GB" in text


def test_queries_of_unequal_metrics_are_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    polars.DataFrame({"metric": ["a", "a", "b"], "query": [0, 1, 0], "value": [0.1, 0.2, 0.3]}).write_parquet(
        run / "per_query.parquet"
    )
    text, _ = read(reported(tmp_path, run))
    assert "Head and tail Each" not in text
    (run / "per_query.parquet").write_bytes(b"PAR1 broken")
    assert "per_query.parquet cannot be read" in read(reported(tmp_path, run))[0]


def test_relations_sort(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    rows = [{"relation": "treats", "direction": "tail", "answers": 3, "mrr": 0.25}]
    note(run, details={"relations": rows * 2})
    out = reported(tmp_path, run)
    assert drawn(out)["grids"]["grid-by_relation"] == {"rows": [["treats", "tail", 3, 0.25]] * 2, "order": 3}
    assert 'class="sorts"' in out.read_text()


def test_samples_show_texts_and_what_is_right(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    answers = [
        {"item": "d1", "score": 2.0, "right": False, "text": "Of <mice>"},
        {"item": "d2", "score": 1.0, "right": True, "text": "Of men"},
    ]
    note(run, samples=[{"query": "who?", "known": ["d7"], "known_texts": ["Of both"], "recommended": answers}])
    page = reported(tmp_path, run).read_text()
    assert re.search(
        r"<li>Of &lt;mice&gt; <span>2 · d1</span></li><li class=\"right\">Of men <span>1 · d2</span>", page
    )
    assert "known: Of both" in page
    assert "A tick marks" in page


def test_simple_methods_show_their_level_and_their_numbers(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    chosen = {"ease": {"params": {"l2": 250.0}, "seconds": 1.5}}
    level = {"ease": {"recall@20": 0.12}}
    note(run, baselines=level, baselines_valid=level, baselines_chosen=chosen)
    out = reported(tmp_path, run)
    assert table(out, "Simple methods")[2] == ["ease", "0.1200 validation 0.1200", "l2 250"]
    line = read(out)[1][titles(out)["Against time"]]["data"][-1]
    assert (line["name"], line["y"]) == ("ease", [0.12, 0.12])


def test_what_a_run_began_from_is_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    note(run, start={"run": "old", "test": {"recall@20": 0.1}, "verdict": "The new model is better than old."})
    assert '<div class="box verdict">The new model is better than old.</div>' in reported(tmp_path, run).read_text()


def test_settings_are_those_of_the_configuration(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with (run / "config.toml").open("a") as file:
        file.write('\n[optimiser]\nname = "adam"\nlr = 0.0025\n')
    text, _ = read(reported(tmp_path, run))
    assert "optimiser.lr 0.0025" in text
    assert "sampler.name softmax" in text


def other_data(path: Path, seed: int = 0) -> Path:
    run = write_run(path, "uniform", seed)
    note(run, data="movies", task="recommend")
    (run / "config.toml").write_text('data = "/somewhere/movies"\n' + (run / "config.toml").read_text())
    return run


def test_runs_on_different_data_are_not_one_comparison(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a"), other_data(tmp_path / "b"), other_data(tmp_path / "c", 1)]
    (runs[2] / "metrics.json").unlink()  # known by where its data lies
    out = reported(tmp_path, *runs)
    text, figures = read(out)
    assert "3 runs on 2 sets of data" in text
    assert "figures of one are no measure for another" in text
    assert re.search("Recommend on stdlib.*Recommend on movies", text)
    assert out.read_text().count("<h2>Test results</h2>") == 2
    curves = [figure for name, figure in figures.items() if name.endswith("learning-against_time")]
    assert [len(curve["data"]) for curve in curves] == [1, 3]
    md, tex, csv = (path.read_text() for path in write_formats(runs, out, ["md", "latex", "csv"]))
    assert re.findall("^## .*", md, re.MULTILINE) == ["## Recommend on stdlib", "## Recommend on movies"]
    assert tex.count(r"\begin{tabular}") == 2
    rows = polars.read_csv(csv.encode()).select("data", "sampler").unique(maintain_order=True).rows()
    assert rows == [("stdlib", "softmax"), ("movies", "uniform")]


def test_runs_divided_by_different_seeds_are_told(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", "uniform", 1)]
    assert "divided by different seeds" in read(reported(tmp_path, *runs))[0]
    for run in runs:
        (run / "config.toml").write_text((run / "config.toml").read_text() + "\n[split]\nseed = 3\n")
    assert "divided by different seeds" not in read(reported(tmp_path, *runs))[0]


def test_a_comparison_that_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_comparison(tmp_path / "compare", ("uniform", "dns"), 1)
    (folder / "compare.json").unlink()
    (folder / "begun.json").write_text(json.dumps({"asked": {"samplers": {"uniform": {}, "dns": {}}}}))
    assert main(["report", str(folder), "--out", str(tmp_path / "r.html")]) == 0
    assert capsys.readouterr().out == f"report: {tmp_path / 'r.html'}\n"
    text: Any = read(tmp_path / "r.html")[0]
    assert "The comparison was interrupted or is still going on" in text
    assert "2 samplers compared" in text
    assert "not made as one comparison" not in text
    assert [row[0] for row in table(tmp_path / "r.html", "Test results")[1:]] == ["uniform", "dns"]
