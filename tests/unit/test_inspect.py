"""``negatives inspect``: the lines of ``train``, the task by its columns, one question where it is not decided."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from forms import FORMS, SAMPLES
from negatives.cli import main
from negatives.cli.options import ReadOptions, configuration
from negatives.data import overview
from negatives.data.readers import Options, read
from negatives.data.readers.fitting import Fitting, is_prose
from negatives.data.readers.schema import PAIRS
from negatives.tasks.base import Task
from negatives.tasks.registry import registry
from negatives.tasks.schemas import SCHEMAS

FIRST = {name: schemas[0] for name, schemas in SCHEMAS.items()}


def sales(folder: Path) -> Path:
    lines = [f"K-{place % 9};A{place % 13};{place % 28 + 1:02}.05.2024;{place % 3}" for place in range(80)]
    (folder / "sales.csv").write_text("\n".join(["Kunde;Artikel;Datum;Menge", *lines]) + "\n")
    return folder / "sales.csv"


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["inspect", *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def question(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["inspect", *words]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert len(err) <= 320
    return err


def test_a_file_is_shown_with_its_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sales(tmp_path)
    monkeypatch.chdir(tmp_path)
    lines = shown(capsys, "sales.csv").splitlines()
    assert lines[0].startswith("task: recommend, for it fits best: user = Kunde (name), item = Artikel (name)")
    assert "format: delimited; train: 80 pairs" in lines
    assert "sales.csv: user = Kunde, item = Artikel, time = Datum; skipped: Menge" in lines
    cells = [line.split("  ") for line in lines]
    table = {row[0]: [cell.strip() for cell in row if cell.strip()] for row in cells if len(row) > 4}
    assert table["user"] == ["user", "Kunde", "name", "text", "9", "K-0, K-1, K-2"]
    assert table["time"][2:] == ["name", "times", "28", "2024-05-01 00:00 to 2024-05-28 00:00"]
    assert table["K-0"] == ["K-0", "A0", "01.05.2024", "0"]
    assert "split: leave_last_out" in " ".join(lines)
    assert lines[-1].startswith("9 users, 13 items; pairs: train ")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "task", ["recommend", "sequence", "knowledge", "graph", "classify", "search", "similarity", "words"]
)
def test_the_lines_are_those_of_train(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = SAMPLES[task]
    path = str(FORMS["CSV"](sample.rows, tmp_path))
    sets = tuple(f"reading.{key}={value}" for key, value in sample.options.items())
    out = shown(capsys, path, "--task", task, *(word for one in sets for word in ("--set", one))).splitlines()
    config = configuration(task, path, None, ReadOptions(set=sets))
    built = registry.get(task)()
    assert isinstance(built, Task)
    notes = list(built.load(Path(path), config).notes)
    assert notes
    assert [line for line in out if line in notes] == list(dict.fromkeys(notes))


@pytest.mark.parametrize("task", ["recommend", "knowledge", "graph", "classify", "search", "similarity"])
@pytest.mark.parametrize("form", ["CSV", "JSON Lines", "Parquet"])
def test_the_task_follows_from_the_columns(task: str, form: str, tmp_path: Path) -> None:
    fits = Fitting(FORMS[form](SAMPLES[task].rows, tmp_path)).fits(FIRST)
    assert next(iter(fits)) == task
    ranks = [fit.rank for fit in fits.values()]
    assert ranks[0] > ranks[1]


@pytest.mark.parametrize(
    ("content", "best"),
    [
        ("196\t242\t3\t881250949\n186\t302\t3\t891717742\n22\t377\t1\t878887116\n", {"recommend"}),
        ("/m/1\t/r/a\t/m/2\n/m/3\t/r/a\t/m/2\n/m/1\t/r/b\t/m/4\n", {"knowledge"}),
        ("# FromNodeId\tToNodeId\n0\t1\n1\t2\n", {"graph"}),
        ("0 1 2 3\n1 2\n2 3 5\n", {"recommend"}),
        ("0 1\n1 2\n2 3\n", {"recommend", "graph"}),
        ("3 5 4\n0,1 0:1.0 2:0.5\n2 1:1\n3 4:2 0:1\n", {"classify"}),
        ("".join(f"g\tf\ty\t{n}\t{n}.5\ta man runs\ta dog {n} sits\n" for n in range(5)), {"similarity"}),
        ("The cat sat on the mat.\nIt slept well\nAnd woke\n", {"words", "language", "sentences"}),
    ],
)
def test_files_without_names_of_columns(content: str, best: set[str], tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text(content)
    fits = Fitting(tmp_path / "data.txt").fits(FIRST)
    top = next(iter(fits.values())).rank
    assert {name for name, fit in fits.items() if fit.rank == top} == best


def test_one_question_where_it_cannot_be_decided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edges, odd, dates = tmp_path / "el.txt", tmp_path / "odd.csv", tmp_path / "dates.csv"
    edges.write_text("0 1\n1 2\n2 3\n")
    odd.write_text("alpha,beta,gamma\n" + "".join(f"a{n},b{n % 3},{n * 100}\n" for n in range(9)))
    dates.write_text("user,item,date\n" + "".join(f"u{n},i{n % 3},0{n}/0{n}/2024\n" for n in range(1, 9)))
    assert "which task? the columns fit recommend and graph alike; say for instance --task recommend" in question(
        capsys, str(edges)
    )
    told = question(capsys, str(odd), "--task", "recommend")
    assert "which column is the user and item? there are alpha, beta, gamma; say for instance --columns user=" in told
    assert "day first or month first" in question(capsys, str(dates))
    told = question(capsys, str(odd), "--columns", "usr=alpha")
    assert "no task has a column for 'usr'; did you mean user or " in told
    assert "knowledge has no column for 'user'" in question(
        capsys, str(odd), "--task", "knowledge", "--columns", "user=alpha"
    )
    (tmp_path / "empty").mkdir()
    assert "the folder has no train file" in question(capsys, str(tmp_path / "empty"), "--task", "recommend")
    odd.write_text("a b,c d,e f\n" + "".join(f"a{n},b{n % 3},{n * 100}\n" for n in range(9)))
    assert 'say for instance --columns "user=' in question(capsys, str(odd), "--task", "recommend")
    odd.write_text("alpha,beta,gamma,delta\n" + "".join(f"a{n},b{n % 3},{n * 100},d{n}\n" for n in range(9)))
    assert "say --task, and what is which with --columns" in question(capsys, str(odd))


def test_folders_that_are_no_table_have_their_task(tmp_path: Path) -> None:
    collection, graph = tmp_path / "collection", tmp_path / "graph"
    collection.mkdir()
    graph.mkdir()
    for name in ("corpus", "queries"):
        (collection / f"{name}.jsonl").write_text('{"_id": "1", "text": "a b"}\n')
    (graph / "edges.txt").write_text("0 1\n1 2\n")
    (graph / "features.txt").write_text("3 2\n0\n1\n0 1\n")
    sparse = tmp_path / "sparse"
    sparse.mkdir()
    for name in ("train", "test"):
        (sparse / f"{name}.txt").write_text("2 5 4\n0,1 0:1.0 2:0.5\n2 1:1 4:1\n")
    for folder, task in ((collection, "search"), (graph, "graph"), (sparse, "classify")):
        fits = Fitting(folder).fits(FIRST)
        assert [name for name, fit in fits.items() if fit.fault is None] == [task]


def test_columns_answer_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = tmp_path / "odd.csv"
    odd.write_text("alpha,beta,gamma\n" + "".join(f"a{n % 5},b{n % 7},c{n % 4}\n" for n in range(35)))
    out = shown(capsys, str(odd), "--columns", "user=gamma,item=beta")
    assert "task: recommend, for it fits best: user = gamma (asked), item = beta (asked)" in out
    assert "odd.csv: user = gamma, item = beta; skipped: alpha" in out


def test_folders_and_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pl.DataFrame(SAMPLES["recommend"].rows)
    held = pl.arange(len(rows), eager=True) % 4 == 0
    rows.filter(~held).write_csv(tmp_path / "train.csv")
    rows.filter(held).write_csv(tmp_path / "test.csv")
    out = shown(capsys, str(tmp_path))
    assert f"format: delimited; train: {int((~held).sum())} pairs, test: {int(held.sum())} pairs" in out
    assert "\ntest\nrole" in out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(rows.write_csv().encode())))
    assert f"train: {len(rows)} pairs" in shown(capsys, "-", "--task", "recommend")


def test_columns_that_no_name_decides_are_told(tmp_path: Path) -> None:
    (tmp_path / "bare.tsv").write_text("".join(f"u{n % 4}\ti{n % 9}\t{1400000000 + n}\n" for n in range(20)))
    notes = read(tmp_path / "bare.tsv", PAIRS)["train"].notes
    assert (
        "bare.tsv: not by names: user, item by the order of the columns; time by what stands in the column; "
        "--columns says otherwise" in notes
    )
    sales(tmp_path)
    assert not any("not by names" in note for note in read(tmp_path / "sales.csv", PAIRS)["train"].notes)


def test_an_overview_counts(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("user,item,rating\n7,a,1\n7,a,5\n8,b,\n" + f"9,{'x' * 90},2.5\n")
    table = read(tmp_path / "data.csv", PAIRS, Options())["train"]
    rows = {row[0]: row for row in overview.roles(table, PAIRS)}
    assert rows["user"] == ("user", "user", "name", "whole numbers", "3", "7, 7, 8")
    assert rows["item"][3:] == ("text", "3", "a, a, b")
    assert overview.repeated(table, PAIRS) == 1
    assert overview.first_rows(table)[:2] == [("user", "item", "rating"), ("7", "a", "1")]
    assert all(len(cell) <= overview.WIDEST for row in overview.first_rows(table) for cell in row)
    assert overview.sizes([("train", 1)], "pair") == "train: 1 pair"


def test_prose_is_no_table() -> None:
    assert is_prose(["One, two and three.", "Four words stand here, and more, of course."])
    assert not is_prose(["a,b c,d", "e,f,g h"])
    assert not is_prose(['{"text": "a b c"}', '{"text": "a b c d"}'])


def test_looking_waits_for_no_heavy_package(tmp_path: Path) -> None:
    """Up to the lines on the split, neither PyTorch nor Numba is imported."""
    path = sales(tmp_path)
    code = (
        "import sys, negatives.cli.inspect as module\n"
        "module._divided = lambda *a: print({'torch', 'numba'} & set(sys.modules))\n"
        f"from negatives.cli import main\nsys.exit(main(['inspect', {str(path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"
    assert "first rows" in done.stdout
