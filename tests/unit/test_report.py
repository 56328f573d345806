"""Reports of invented run folders: complete, compared, interrupted and broken ones."""

from __future__ import annotations

import base64
import gzip
import html
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from negatives.diagnostics import write_report
from negatives.diagnostics.report.head import main_metric
from negatives.diagnostics.report.runs import load
from negatives.errors import InputError

STEPS, PER_EPOCH = 480, 24
RISES = {"uniform": 0.14, "dns": 0.165, "softmax": 0.171}
PARTS = {"draw": 0.6, "guard": 0.3, "select": 0.5, "score": 1.9, "forward": 1.0, "loss": 0.8, "update": 2.4}


def _noise(seed: int, n: int) -> list[float]:
    found: list[float] = torch.randn(n, generator=torch.Generator().manual_seed(seed)).tolist()
    return found


def history(sampler: str, seed: int) -> list[dict[str, Any]]:
    """Lines of a history whose course is plausible."""
    hard, noise, found = 0.0 if sampler == "uniform" else 1.0, _noise(seed, STEPS + 1), []
    for step in range(1, STEPS + 1):
        share, seconds = step / STEPS, 0.02 * step * (1 + 0.5 * hard)
        if step % 8 == 1:
            gradient = (0.5 - 0.2 * hard) * math.exp(-3 * share) + 0.25 * hard + 0.01 * noise[step]
            line = {"kind": "step", "step": step, "seconds": seconds, "epoch": step // PER_EPOCH, "progress": share}
            line |= {"loss": gradient * 1.4, "gradient_share": gradient, "violation_rate": gradient * 0.8}
            line |= {"gap": 3 * share - 2 * hard, "positive_score": 4 * share, "negative_score": share - 0.5}
            line |= {"hardest_score": share + 2 * hard, "ok_share": 0.99, "duplicate_share": 0.02}
            line |= {"effective_sample_size": 1 - 0.4 * hard * share, "coverage": 1 - math.exp(-9 * share)}
            line |= {"entropy": 0.99 - 0.08 * hard * share, "head_share": 0.2 + 0.3 * hard * share}
            line |= {"tail_share": 0.5 - 0.3 * hard * share, "false_negative_rate": 0.002 + 0.02 * hard * share}
            line |= {"false_negative_lift": 1 + 8 * hard * share + 0.2 * noise[step], "sampler_share": 0.17}
            found.append(line | {"parts": {name: part * share for name, part in PARTS.items()}})
        if hard and step % 16 == 1:
            values = {
                "select.temperature": 1.0 / (1 + 4 * share),
                "candidates": float(16 * 2 ** int(3 * share)),
                "pool": 64.0,
            }
            found.append({"kind": "control", "step": step, "seconds": seconds, "values": values})
        if step % PER_EPOCH == 0:
            value = RISES.get(sampler, 0.1) * (1 - math.exp(-5 * share)) + 0.001 * noise[step]
            metrics = {"recall@20": value, "ndcg@20": value * 0.8}
            line = {"kind": "evaluation", "step": step, "seconds": seconds, "epoch": step / PER_EPOCH}
            found.append(line | {"metrics": metrics, "best": True})
    return found


def write_run(path: Path, sampler: str = "softmax", seed: int = 0, *, finished: bool = True) -> Path:
    """A run folder; one that is not finished has half a history and no metrics."""
    path.mkdir(parents=True)
    config = (
        f'task = "recommend"\nseed = {seed}\n\n[sampler]\nname = "{sampler}"\n\n[evaluation]\nmetric = "recall@20"\n'
    )
    (path / "config.toml").write_text(config)
    lines = history(sampler, seed)
    text = "".join(json.dumps(line) + "\n" for line in (lines if finished else lines[: len(lines) // 2]))
    (path / "history.jsonl").write_text(text)
    if finished:
        (path / "metrics.json").write_text(json.dumps(metrics(sampler, seed, lines)))
    return path


def metrics(sampler: str, seed: int, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """What metrics.json holds."""
    known = ["len", "sorted", "heapq.heappush", "<script>alert(1)</script>"]
    recommended = [{"item": f"item {i}", "score": 0.9 - i / 10} for i in range(5)]
    samples = [{"query": name, "known": known, "recommended": recommended} for name in ("heapq.nlargest", "json.dump")]
    return {
        "task": "recommend", "data": "stdlib", "sampler": sampler, "model": "mf", "loss": "bpr", "seed": seed,
        "epochs": STEPS / PER_EPOCH, "steps": STEPS, "train_seconds": lines[-1]["seconds"], "sampler_share": 0.17,
        "seconds": PARTS, "unfilled": 0, "notes": ["columns: user, item"], "test": lines[-1]["metrics"],
        "valid": lines[-1]["metrics"], "samples": samples, "command": "negatives train recommend --seed 0",
        "environment": {"python": "3.11", "torch": "2.13", "cores": 2},
    }  # fmt: skip


def write_comparison(path: Path, samplers: tuple[str, ...] = tuple(RISES), seeds: int = 3) -> Path:
    """The folder of a comparison with its run folders."""
    runs, summary = [], []
    for sampler in samplers:
        for seed in range(seeds):
            write_run(path / f"{sampler}-{seed}", sampler, seed)
            found = history(sampler, seed)
            points = [[one["seconds"], one["epoch"], one["metrics"]["recall@20"]] for one in found if "metrics" in one]
            runs.append({"sampler": sampler, "seed": seed, "test": found[-1]["metrics"], "train_seconds": 9.6})
            runs[-1]["curve"] = points
        for metric, factor in (("recall@20", 1.0), ("ndcg@20", 0.8)):
            mean = RISES[sampler] * factor
            row = {"sampler": sampler, "metric": metric, "mean": mean, "interval": [mean - 0.002, mean + 0.002]}
            row |= {"p_value": None if sampler == "uniform" else 1.2e-7, "train_seconds": 9.6}
            summary.append(row | {"seconds_to_baseline": {"uniform": 9.1, "dns": 4.4}.get(sampler)})
    whole = {"task": "recommend", "data": "stdlib", "metric": "recall@20", "baseline": "uniform", "runs": runs}
    whole["verdict"] = "softmax did best, which is more than chance."
    (path / "compare.json").write_text(
        json.dumps(whole | {"summary": summary, "command": "negatives compare recommend"})
    )
    return path


def unpacked(page: str, name: str) -> str:
    """What stands compressed in a page."""
    found = re.search(rf'<script type="application/octet-stream" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return gzip.decompress(base64.b64decode(found[1])).decode("utf-8")


def drawn(path: Path) -> dict[str, Any]:
    """What the script of a report draws: ``figures`` and ``grids`` by id."""
    content: dict[str, Any] = json.loads(unpacked(path.read_text(encoding="utf-8"), "content"))
    return content


def read(path: Path) -> tuple[str, dict[str, Any]]:
    """Text of a report without its scripts and without tags, and its figures by id."""
    text = re.sub(r"<(script|style).*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text.replace("<wbr>", ""))))
    return text, drawn(path)["figures"]


def titles(path: Path) -> dict[str, str]:
    """Id of the graph under each heading."""
    page = path.read_text(encoding="utf-8")
    return dict(re.findall(r'<h3>([^<]+)</h3>(?:(?!<h3>).)*?<div class="graph" id="([^"]+)"', page, re.DOTALL))


def test_report_of_one_run(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_report([write_run(tmp_path / "run")], out)
    text, figures = read(out)
    assert out.stat().st_size < 1e6
    assert "Recommend on stdlib: sampler softmax" in text
    assert "negatives train recommend --seed 0" in text
    assert "What is missing" not in text
    assert "heapq.nlargest" in text
    assert "item 4" in text
    assert "Constant throughout: pool = 64." in text
    assert "pool" not in titles(out)
    for part in figures.values():
        assert part["data"]
        for line in part["data"]:
            assert len(line["x"]) == len(line["y"]) > 0


def test_graphs_hold_the_numbers_of_the_history(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_report([write_run(tmp_path / "run")], out)
    _, figures = read(out)
    lines = history("softmax", 0)
    found = figures[titles(out)["Against time"]]["data"][0]
    expected = [one for one in lines if one["kind"] == "evaluation"]
    assert found["x"] == pytest.approx([one["seconds"] for one in expected], rel=1e-4)
    assert found["y"] == pytest.approx([one["metrics"]["recall@20"] for one in expected], rel=1e-4)
    steps = [one for one in lines if one["kind"] == "step"]
    found = figures[titles(out)["Estimated rate"]]["data"][0]
    assert found["x"] == pytest.approx([one["step"] / PER_EPOCH for one in steps], rel=1e-4)
    assert found["y"] == pytest.approx([one["false_negative_rate"] for one in steps], rel=1e-4)
    found = figures[titles(out)["candidates"]]["data"][0]
    assert (found["y"][0], found["y"][-1]) == (16.0, 64.0)
    bars = {one["name"]: one["x"] for one in figures[titles(out)["Training time by part"]]["data"]}
    assert bars["draw candidates"] == [PARTS["draw"]]
    assert bars["everything else"] == pytest.approx([lines[-1]["seconds"] - sum(PARTS.values())], rel=1e-4)


def test_report_of_a_comparison(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_report([write_comparison(tmp_path / "compare")], out)
    text, figures = read(out)
    assert "3 samplers compared" in text
    assert "softmax did best, which is more than chance" in text
    assert "p = 1.2e-07" in text
    assert "0.1690 to 0.1730" in text
    assert "4.4 s" in text
    assert "never" in text
    data = figures[titles(out)["Against epochs"]]["data"]
    assert [one["name"] for one in data if one["line"]["width"] > 2] == ["uniform", "dns", "softmax"]
    assert len(data) == 3 * (3 + 1)
    seeds, mean = data[:3], data[3]
    assert mean["y"][7] == pytest.approx(sum(one["y"][7] for one in seeds) / 3, rel=1e-3)


def test_the_comparison_s_own_verdict_is_kept(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "compare", seeds=1)
    compare = json.loads((folder / "compare.json").read_text())
    (folder / "compare.json").write_text(json.dumps(compare | {"verdict": "It is a draw."}))
    write_report([folder], tmp_path / "report.html")
    assert "It is a draw." in read(tmp_path / "report.html")[0]


def test_a_comparison_without_its_run_folders(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "compare")
    for sampler in RISES:
        for seed in range(3):
            shutil.rmtree(folder / f"{sampler}-{seed}")
    write_report([folder], tmp_path / "report.html")
    text, figures = read(tmp_path / "report.html")
    assert "Its folder is missing" in text
    assert len(figures[titles(tmp_path / "report.html")["Against time"]]["data"]) == 12


def test_the_watched_metric_is_the_main_one(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "config.toml").write_text('task = "recommend"\nsampler = "softmax"\n')
    whole = metrics("softmax", 0, history("softmax", 0))
    test = {"recall@20": 0.5, "ndcg@20": 0.4, "rbp@7": 0.321987}
    (run / "metrics.json").write_text(json.dumps(whole | {"watched": "rbp@7", "test": test}))
    assert main_metric(load([run])) == "rbp@7"
    (run / "metrics.json").write_text(json.dumps(whole | {"test": test}))
    assert main_metric(load([run])) == "recall@20"


def test_an_interrupted_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", finished=False)
    with (run / "history.jsonl").open("a") as file:
        file.write('{"kind": "st')
    (run / "checkpoints").mkdir()
    write_report([run], tmp_path / "report.html")
    text, figures = read(tmp_path / "report.html")
    assert "interrupted or is still going on. It reached step" in text
    assert "train --resume --out" in text
    assert "could not be read and were left out: 1" in text
    assert "No test metrics" in text
    assert "Gradient share" in titles(tmp_path / "report.html")
    assert figures


@pytest.mark.parametrize("name", ["config.toml", "metrics.json", "history.jsonl"])
def test_a_missing_file_is_said(tmp_path: Path, name: str) -> None:
    run = write_run(tmp_path / "run")
    (run / name).unlink()
    write_report([run], tmp_path / "report.html")
    text, _ = read(tmp_path / "report.html")
    assert "What is missing here" in text
    assert {"metrics.json": "no test metrics"}.get(name, f"{name} is missing") in text


def test_broken_files_are_said(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "metrics.json").write_text("{")
    (run / "config.toml").write_text("= 3")
    write_report([run], tmp_path / "report.html")
    text, _ = read(tmp_path / "report.html")
    assert "metrics.json cannot be read" in text
    assert "config.toml cannot be read" in text


def test_names_cannot_inject_markup(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", "</script><b>x")
    write_report([run], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "<script>alert(1)" not in page
    assert "</script><b>x" not in page


def test_runs_side_by_side_are_told_apart(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b"), write_run(tmp_path / "c", "uniform")]
    write_report(runs, tmp_path / "report.html")
    text, _ = read(tmp_path / "report.html")
    assert "softmax (b)" in text
    assert "not made as one comparison" in text


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no run"):
        write_report([tmp_path / "empty"], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def note(run: Path, *lines: dict[str, Any], **metrics: Any) -> None:
    """Add lines to a run's history, and entries to its metrics."""
    path = run / "history.jsonl"
    every = [json.loads(line) for line in path.read_text().splitlines()] + list(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in sorted(every, key=lambda line: line["step"])))
    path = run / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | metrics))


def table(page: Path, title: str) -> list[list[str]]:
    """Cells of the rows below a heading, each with its second line."""
    text = page.read_text(encoding="utf-8").replace("<wbr>", "").split(f">{title}</h", 1)[1].split("</table>", 1)[0]
    rows = re.findall(r"<tr.*?</tr>", text, re.DOTALL)
    cells = [re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL) for row in rows]
    return [[html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", one)).strip()) for one in row] for row in cells]


CLIMB = {"kind": "decision", "step": 60, "seconds": 1.8, "decision": "select.hardness", "seen": "violation_rate .3"}
CLIMB |= {"changed": "0.5 to 0.63: harder"}
RACE = {
    "kind": "decision",
    "step": 24,
    "seconds": 0.6,
    "decision": "race",
    "gain": 0.0123,
    "changed": "goes on with soft",
}
RACE |= {"seen": {"default": 0.61, "soft": 0.6223, "folds": 3}}


def test_decisions_stand_in_a_table_and_on_the_curve(tmp_path: Path) -> None:
    run, out = write_run(tmp_path / "run"), tmp_path / "report.html"
    note(run, CLIMB, RACE, {"kind": "decision", "step": 0, "seconds": 0.0, "decision": "does not learn"})
    write_report([run], out)
    looks = [one["metrics"]["recall@20"] for one in history("softmax", 0) if one["kind"] == "evaluation"]
    rows = table(out, "Decisions in order")
    assert rows[0] == ["what", "when", "seen", "changed", "brought"]
    seen = "default 0.6100, soft 0.6223, folds 3"
    assert rows[1][:2] == ["does not learn", "before training"]
    assert rows[2] == ["race", "0.6 s epoch 1", seen, "goes on with soft", "+0.0123"]
    brought = f"{looks[1]:.4f} to {looks[2]:.4f}"  # evaluations at the steps 48 and 72
    assert rows[3] == ["select.hardness", "1.8 s epoch 2.5", "violation_rate .3", "0.5 to 0.63: harder", brought]
    _, figures = read(out)
    curve, marks = figures[titles(out)["Against epochs"]]["data"]
    assert (curve["mode"], marks["mode"]) == ("lines", "markers")
    assert marks["x"] == [0.0, 1.0, 2.5]
    assert marks["y"] == pytest.approx([looks[0], looks[0], (looks[1] + looks[2]) / 2], rel=1e-3)
    assert marks["text"][2] == "select.hardness: 0.5 to 0.63: harder"
    assert figures[titles(out)["Against time"]]["data"][1]["x"] == [0.0, 0.6, 1.8]


def test_without_decisions_there_is_no_section_of_them(tmp_path: Path) -> None:
    run, out = write_run(tmp_path / "run"), tmp_path / "report.html"
    note(run, race=[{"arm": "default", "value": None, "error": None, "kept": True}])  # nobody to race with
    write_report([run], out)
    assert "What was decided" not in read(out)[0]
    assert [one["mode"] for one in read(out)[1][titles(out)["Against time"]]["data"]] == ["lines"]


def test_the_race_stands_in_a_table(tmp_path: Path) -> None:
    run, out = write_run(tmp_path / "run"), tmp_path / "report.html"
    lost = {"arm": "default", "value": 0.61, "error": 0.004, "train_seconds": 2.5, "epochs": 1.25, "kept": False}
    won = {
        "arm": "soft",
        "value": 0.6223,
        "error": 0.0,
        "train_seconds": 90.0,
        "epochs": 12.0,
        "folds": 3,
        "kept": True,
    }
    note(run, race=[lost, won])
    write_report([run], out)
    assert table(out, "Recipes tried") == [
        ["name", "recall@20, validation", "trained", "folds", "outcome"],
        ["default", "0.6100 standard error 0.0040", "2.5 s 1.25 epochs", "", "left out"],
        ["soft", "0.6223", "1 min 30 s 12 epochs", "3", "kept"],
    ]


def test_tuned_numbers_stand_beside_those_of_the_recipe(tmp_path: Path) -> None:
    folder, out = write_comparison(tmp_path / "compare", seeds=1), tmp_path / "report.html"
    trials = [
        {"number": number, "values": {"optimiser.lr": lr, "sampler.candidates": 32}, "valid": valid}
        for number, (lr, valid) in enumerate([(0.1, 0.2), (0.025, 0.3)])
    ]
    found = {
        "uniform": {"values": trials[0]["values"], "trial": 0, "trials": trials},
        "dns": {"values": trials[1]["values"], "trial": 1, "trials": trials},
        "softmax": {"values": {}, "trial": None, "trials": []},
    }
    compare = json.loads((folder / "compare.json").read_text())
    (folder / "compare.json").write_text(json.dumps(compare | {"chosen": found}))
    write_report([folder], out)
    assert table(out, "Tuned numbers") == [
        ["sampler", "optimiser.lr", "sampler.candidates", "trial", "recall@20, validation"],
        ["uniform", "0.1", "32", "0 of 2 the recipe's own", "0.2000"],
        ["dns", "0.025 recipe: 0.1", "32", "1 of 2", "0.3000"],
    ]


def test_the_model_stands_beside_the_simple_methods(tmp_path: Path) -> None:
    run, out = write_run(tmp_path / "run"), tmp_path / "report.html"
    ease = {"baselines": {"ease": {"recall@20": 0.9, "ndcg@20": 0.8}}, "baselines_valid": {"ease": {"recall@20": 0.7}}}
    note(run, **ease, baselines_verdict="mf is below a simple method.")
    write_report([run], out)
    test = json.loads((run / "metrics.json").read_text())["test"]
    recall, ndcg = (f"{test[name]:.4f} validation {test[name]:.4f}" for name in ("recall@20", "ndcg@20"))
    assert table(out, "Simple methods") == [
        ["method", "recall@20", "ndcg@20"],
        ["mf", recall, ndcg],
        ["ease", "0.9000 validation 0.7000", "0.8000"],
    ]
    assert re.search(r'<tr class="best"><td class="name"><span [^>]*"background:#8a8f98"></span>ease<', out.read_text())
    assert '<div class="box verdict">mf is below a simple method.</div>' in out.read_text()
    note(run, model="ease")  # kept by a race
    write_report([run], out)
    assert "Recommend on stdlib: ease, a simple method" in read(out)[0]
    assert "Simple methods, computed" not in read(out)[0]  # nothing else stands beside it
    other = write_run(tmp_path / "other", "uniform")
    write_report([run, other], out)  # of runs side by side no sentence can speak
    assert "mf is below" not in out.read_text()


def test_all_pairs_learnt_leaves_no_curve(tmp_path: Path) -> None:
    run, out = write_run(tmp_path / "run"), tmp_path / "report.html"
    lines = [one for one in history("softmax", 0) if one["kind"] != "evaluation"]
    (run / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_report([run], out)
    assert "No evaluation was recorded." in read(out)[0]
    with (run / "config.toml").open("a") as file:
        file.write("\n[split]\nvalid = 0.0\n")
    write_report([run], out)
    assert "all pairs but those of the test part were learnt" in read(out)[0]
