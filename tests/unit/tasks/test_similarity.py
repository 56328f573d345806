"""``similarity`` from files to a run: reading, training, resuming, exporting, and wrong input."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from scipy.stats import spearmanr

from negatives.cli import main
from negatives.config import RunConfig
from negatives.randomness import Purpose, integers, stream
from negatives.runs import runner, terminal
from negatives.tasks.similarity import Similarity
from negatives.training.callbacks import Step
from negatives.training.files import read_tensors
from quick import ALONE

QUICK = [*ALONE, "--epochs", "3", "--set", "model.dim=16", "--set", "reading.vocabulary=200"]
TOPICS, PAIRS = 10, 260


def sentence(letters: str, topic: int, draws: list[int]) -> str:
    return " ".join(letters[topic] + "aeiou"[draw % 5] + "lnrst"[draw // 5] for draw in draws)


def rows() -> list[tuple[str, str, float]]:
    """Left and right take different words for each topic; pairs of one topic score 4 or 5, others 0 or 1."""
    key = stream(2, Purpose.SPLIT)
    table = integers(key, torch.arange(PAIRS)[:, None], torch.arange(12), 25).tolist()
    found = []
    for index, draws in enumerate(table):
        topic, same = index // 2 % TOPICS, index % 2
        other = topic if same else (topic + 1 + draws[8] % (TOPICS - 1)) % TOPICS
        left, right = sentence("bdfgklmnpr", topic, draws[:4]), sentence("cjqvwxzsth", other, draws[4:8])
        found.append((left, right, 4.0 * same + draws[9] % 2))
    return found


def write(folder: Path) -> Path:
    """In the layout of STS-B."""
    folder.mkdir(parents=True)
    whole = [f"g\tf\ty\t{index}\t{score:.3f}\t{a}\t{b}\n" for index, (a, b, score) in enumerate(rows())]
    for part, some in (("train", whole[:180]), ("dev", whole[180:220]), ("test", whole[220:])):
        (folder / f"sts-{part}.csv").write_text("".join(some))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "planted")


def train(data: Path | None, out: Path, *options: str) -> int:
    return main(["train", "similarity", *([str(data)] if data else []), "--out", str(out), *options])


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "default"
    assert train(folder, out, *QUICK, "--set", "epochs=12", "--set", "batch_size=16") == 0
    return out


def test_a_run(run: Path) -> None:
    found = metrics(run)
    assert (found["task"], found["model"], found["sampler"]) == ("similarity", "static", "curriculum")
    assert list(found["test"]) == list(found["valid"]) == ["spearman"]
    assert 0.3 < found["test"]["spearman"] <= 1
    assert any("are similar" in note for note in found["notes"])
    assert pl.read_parquet(run / "ids.parquet")["kind"].unique().to_list() == ["sentence"]
    assert all(sample["query"] not in [one["item"] for one in sample["recommended"]] for sample in found["samples"])
    assert "spearman" in (run / "report.html").read_text()


def test_the_metric_is_spearmans_correlation_of_the_cosines(run: Path, folder: Path) -> None:
    table = read_tensors(run / "model.safetensors")[0]["sentences"].double()
    names = pl.read_parquet(run / "ids.parquet").sort("index")["name"].to_list()
    place = {name: index for index, name in enumerate(names)}
    test = rows()[220:]
    cosines = [float(torch.cosine_similarity(table[place[a]], table[place[b]], dim=0)) for a, b, _ in test]
    expected = spearmanr(cosines, [score for *_, score in test]).statistic
    assert metrics(run)["test"]["spearman"] == pytest.approx(expected, abs=1e-3)


def test_a_comparison_is_in_units_of_the_metric(folder: Path, tmp_path: Path) -> None:
    options = [*QUICK, "--set", "epochs=2", "--samplers", "uniform,curriculum", "--seeds", "2", "--tune", "0"]
    assert main(["compare", "similarity", str(folder), "--out", str(tmp_path / "c"), *options]) == 0
    found = json.loads((tmp_path / "c" / "compare.json").read_text())
    for row in found["summary"]:
        values = [one["test"]["spearman"] for one in found["runs"] if one["sampler"] == row["sampler"]]
        assert row["mean"] == pytest.approx(sum(values) / 2, abs=1e-6)


def test_training_links_what_people_judged_alike(run: Path, folder: Path, tmp_path: Path) -> None:
    """The two sides share no word, so that only training can link them."""
    assert train(folder, tmp_path / "fresh", *QUICK, "--set", "optimiser.lr=1e-9") == 0
    assert metrics(run)["test"]["spearman"] > metrics(tmp_path / "fresh")["test"]["spearman"] + 0.2


def test_related_pairs_are_no_negatives(folder: Path) -> None:
    from negatives.data.loading.similarity import load_similarity

    data = load_similarity(folder, 5.0, 4.0)
    catalogue = data.catalogue()
    assert catalogue.known is not None
    train = data.parts["train"]
    for left, right, score in zip(train.left.tolist(), train.right.tolist(), train.scores.tolist(), strict=True):
        known = right in catalogue.known.row(left).tolist() and left in catalogue.known.row(right).tolist()
        assert known == (score >= 4.0 and left != right)
    assert 0 < data.similar(5.0).nnz < catalogue.known.nnz


def test_evaluate_and_export(run: Path, tmp_path: Path) -> None:
    assert runner.evaluate(run) == metrics(run)["test"]
    assert main(["export", str(run), "--format", "word2vec", "--out", str(tmp_path / "x")]) == 0
    assert (tmp_path / "x" / "sentences.vec").exists()
    assert main(["export", str(run), "--format", "trec", "--out", str(tmp_path / "t")]) == 2


@pytest.mark.parametrize("sampler", ["uniform", "in_batch", "dns", "hold", "ance"])
def test_samplers_work(sampler: str, folder: Path, tmp_path: Path) -> None:
    assert train(folder, tmp_path / "r", *QUICK, "--set", "epochs=8", "--sampler", sampler) == 0
    assert f'"{sampler}"' in (tmp_path / "r" / "config.toml").read_text()
    assert 0.2 < metrics(tmp_path / "r")["test"]["spearman"] < 1.0  # without training it is about 0


def test_the_curriculum_grows_harder(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    sizes = [line["values"]["candidates"] for line in lines if line["kind"] == "control"]
    assert sizes == sorted(sizes)
    assert sizes[0] == 2.0
    assert sizes[-1] > 30.0


def test_an_interrupted_run_ends_as_if_nothing_had_happened(folder: Path, tmp_path: Path) -> None:
    options = [*QUICK, "--set", "batch_size=16"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert train(folder, whole, *options) == 0
    usual = terminal.Bar.on_step

    def on_step(self: terminal.Bar, step: Step) -> None:
        usual(self, step)
        if step.context.step == 9:
            signal.raise_signal(signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal.Bar, "on_step", on_step)
        assert train(folder, broken, *options) == 143
    assert main(["train", "--resume", "--out", str(broken)]) == 0
    one, two = (read_tensors(out / "model.safetensors")[0] for out in (whole, broken))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_one_file_with_a_header_is_divided(kind: str, tmp_path: Path) -> None:
    from negatives.data.loading.similarity import load_similarity

    frame = pl.DataFrame(rows(), schema=["sentence1", "sentence2", "score"], orient="row")
    path = tmp_path / f"pairs.{kind}"
    if kind == "jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_csv(path, separator="," if kind == "csv" else "\t")
    data = load_similarity(path, None, None)
    assert [len(data.parts[part]) for part in ("train", "valid", "test")] == [187, 21, 52]


def test_the_offline_pairs(tmp_path: Path) -> None:
    from negatives.data.offline.sentences import related_docstrings

    for module in ("one", "two"):
        doc = '"""Reads all the {0} rows. Then it stops at once."""\n'
        text = "".join(f"def f{n}():\n    " + doc.format(f"{module}{n}") for n in range(3))
        (tmp_path / f"{module}.py").write_text(text)
    found = related_docstrings(tmp_path, cache=False)
    assert sorted({score for *_, score in found.rows}) == [0.0, 1.0, 2.0]
    assert ("Reads all the one0 rows.", "Then it stops at once.", 2.0) in found.rows


def fault(data: Path, capsys: pytest.CaptureFixture[str]) -> str:
    out = data.parent / "never"
    assert train(data, out, *QUICK) == 2
    assert not out.exists()
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_wrong_input_names_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path / "good")
    path = good / "sts-train.csv"
    text = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*text[:2], "a\tb\tc\td\tmuch\tx\ty\n"]))
    assert "sts-train.csv, line 3: empty or unreadable score (column_5)" in fault(good, capsys)
    path.write_text("".join([*text[:2], "a\tb\n"]))
    assert "sts-train.csv, line 3: empty or unreadable score (column_5)" in fault(good, capsys)
    path.write_bytes("".join(text[:2]).encode() + b"a\tb\tc\td\t1.0\t\xe9\ty\n")
    assert "sts-train.csv, line 3: not UTF-8 text" in fault(good, capsys)
    path.write_text("one two\n")
    assert "sts-train.csv, line 1: only 1 column (column_1), where 2 are needed" in fault(good, capsys)
    path.write_text("sentence1\tsentence2\na\tb\nc\td\n")
    assert "nothing tells how similar two sentences are; name the column with --columns score=" in fault(good, capsys)
    path.write_text("".join(text).replace("\t0.000\t", "\t3.000\t"))
    path.unlink()
    assert "the folder has no train file" in fault(good, capsys)
    (tmp_path / "empty").mkdir()
    assert "the folder has no train file" in fault(tmp_path / "empty", capsys)


def test_empty_sentences_are_counted(tmp_path: Path) -> None:
    from negatives.data.readers.scored_pairs import read_scored

    path = tmp_path / "pairs.tsv"
    path.write_text("sentence1\tsentence2\tscore\na\tb\t1\n\tb\t2\n")
    assert read_scored(path)["train"].notes[-1] == "train: 1 pairs with an empty sentence skipped"


def test_both_sentences_are_weighted_alike() -> None:
    """The task's data says so, and the model's option stands in a group."""
    task = Similarity()
    config = RunConfig(task="similarity", model={"name": "static", "dim": 8})
    examples = task.load(None, config)
    model = task.model(config, examples)
    pairs = torch.arange(40)
    with torch.no_grad():
        one, other = model.score(pairs, pairs.flip(0)), model.score(pairs.flip(0), pairs)
    torch.testing.assert_close(one, other)
