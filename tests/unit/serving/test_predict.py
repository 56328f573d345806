"""``negatives predict``: questions from anywhere, answers to anywhere, and nothing of the user's lost."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from negatives.answering import Run
from negatives.cli import main
from negatives.serving import batch, outputs

Told = tuple[int, str, str]
Call = Callable[..., Told]


@pytest.fixture
def call(folder: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs the command; exit code, standard output and errors."""

    def of(*words: object) -> Told:
        code = main(["predict", str(folder), *map(str, words)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return of


def plain(found: pl.DataFrame) -> list[tuple[object, ...]]:
    return [(*row[:3], round(row[3], 4), *row[4:]) for row in found.rows()]


def test_words_are_questions(run: Run, call: Call) -> None:
    code, out, _ = call("u1", "history=i1,i3", "user=u2", "--k", 2, "--format", "json")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    wanted = run.ask([{"user": "u1"}, {"history": ["i1", "i3"]}, {"user": "u2"}], k=2)
    assert plain(pl.DataFrame(rows)) == plain(wanted)
    code, out, _ = call("u1", "--k", 1, "--include-known")
    assert out.split("\n")[0].split() == ["query", "item", "rank", "score", "known"]
    assert out.split("\n")[1].split()[-1] == "yes"


def test_the_nearest(run: Run, call: Call) -> None:
    _, out, _ = call("i1", "--similar", "--k", 3, "--format", "csv")
    assert pl.read_csv(io.StringIO(out))["item"].to_list() == run.similar("i1", k=3)["item"].to_list()
    _, out, _ = call("u1", "--similar", "--kind", "query", "--k", 3, "--format", "tsv")
    found = pl.read_csv(io.StringIO(out), separator="\t")["item"].to_list()
    assert found == run.similar("u1", k=3, kind="query")["item"].to_list()


TABLES = {
    "users.csv": "user,age\nu1,5\nu2,6\n",
    "column.csv": "u1\nu2\n",
    "kunden.tsv": "Kunde\tx\nu1\t5\nu2\t6\n",
    "users.txt": "u1\n\nu2\r\n",
    "bare": "u1\nu2\n",
    "users.jsonl": '{"user": "u1"}\n{"user": "u2"}\n',
    "headed.txt": "user\nu1\nu2\n",
}
LISTS = {
    "history.csv": 'history\n"i1,i3"\ni5 i7\n',
    "python.csv": 'history\n"[\'i1\', \'i3\']"\n"[""i5"",""i7""]"\n',
    "history.jsonl": '{"history": ["i1", "i3"]}\n{"history": ["i5", "i7"]}\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_any_table_of_users(run: Run, call: Call, tmp_path: Path, name: str) -> None:
    path, out = tmp_path / name, tmp_path / "answers.parquet"
    path.write_bytes(TABLES[name].encode())
    assert call("--queries", path, "--out", out, "--k", 3)[0] == 0
    assert pl.read_parquet(out).equals(run.predict(["u1", "u2"], k=3))


@pytest.mark.parametrize("name", LISTS)
def test_any_table_of_histories(run: Run, call: Call, tmp_path: Path, name: str) -> None:
    path, out = tmp_path / name, tmp_path / "answers.arrow"
    path.write_text(LISTS[name])
    assert call("--queries", path, "--out", out, "--k", 3)[0] == 0
    assert pl.read_ipc(out).equals(run.predict(history=[["i1", "i3"], ["i5", "i7"]], k=3))


def test_binary_tables_and_mixed_forms(run: Run, call: Call, tmp_path: Path) -> None:
    table = pl.DataFrame({"user": ["u1", None], "history": [None, ["i1", "i3"]]})
    table.write_parquet(tmp_path / "asked.parquet")
    code, _, err = call("--queries", tmp_path / "asked.parquet", "--out", tmp_path / "a.jsonl", "--k", 2)
    assert code == 0, err
    assert plain(pl.read_ndjson(tmp_path / "a.jsonl")) == plain(run.predict(table, k=2))


def test_standard_input(run: Run, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = SimpleNamespace(isatty=lambda: False, buffer=io.BytesIO(b"u1\nu2\n"))
    monkeypatch.setattr("sys.stdin", stdin)
    assert call("--queries", "-", "--out", tmp_path / "a.csv", "--k", 2)[0] == 0
    assert pl.read_csv(tmp_path / "a.csv")["item"].to_list() == run.predict(["u1", "u2"], k=2)["item"].to_list()


def test_columns_may_be_named(run: Run, call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("who,note\nu1,x\nu2,y\n")
    code, _, err = call("--queries", tmp_path / "a.csv")
    assert code == 2
    assert "the first line holds who, note; say which, by its name there or its place: --columns user=column_1" in err
    code, out, err = call("--queries", tmp_path / "a.csv", "--columns", "user=who", "--format", "csv", "--k", 1)
    assert "user = who; skipped: note" in err
    assert pl.read_csv(io.StringIO(out))["query"].to_list() == ["u1", "u2"]
    assert (
        "a question has no field 'usr'; did you mean user?"
        in call("--queries", tmp_path / "a.csv", "--columns", "usr=who")[2]
    )


def test_unknown_names_are_counted_over_all_blocks(
    run: Run, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MOST", 2)
    monkeypatch.setattr(batch, "LEAST", 1)
    path, out = tmp_path / "users.txt", tmp_path / "a.csv"
    path.write_text("u1\nu2\nu3\nnobody\nu4\nnoone\nu5\n")
    code, _, err = call("--queries", path, "--out", out)
    assert code == 2
    assert "no user is called 'nobody', nor are 1 more; " in err
    assert "--skip-unknown" in err
    assert list(tmp_path.iterdir()) == [path]
    code, told, err = call("--queries", path, "--out", out, "--skip-unknown", "--k", 2)
    assert (code, "2 questions left out; unknown: 'nobody' and 1 more" in err) == (0, True)
    assert f"answers: {out} (10 to 5 questions)" in told
    assert pl.read_csv(out)["query"].unique(maintain_order=True).to_list() == ["u1", "u2", "u3", "u4", "u5"]
    found = call("history=i1,x,i3", "--skip-unknown", "--format", "csv", "--k", 1)[1]
    assert pl.read_csv(io.StringIO(found))["query"].to_list() == ["i1, i3"]


def test_a_column_that_only_a_later_block_has(tmp_path: Path) -> None:
    with outputs.to_file(tmp_path / "a.csv") as write:
        write(pl.DataFrame({"query": ["a"], "rank": [1]}))
        write(pl.DataFrame({"query": ["b"], "rank": [1], "known": [True]}))
    assert (tmp_path / "a.csv").read_text() == "query,rank,known\na,1,\nb,1,true\n"
    with outputs.to_file(tmp_path / "b.csv"):
        pass
    assert (tmp_path / "b.csv").read_text() == "query,rank,item,score\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_nothing_is_replaced_unasked(call: Call, folder: Path, tmp_path: Path) -> None:
    asked, out = tmp_path / "asked.csv", tmp_path / "out.csv"
    asked.write_text("user\nu1\n")
    out.write_text("mine")
    assert "exists already; add --overwrite to replace it, or give another --out" in call("u1", "--out", out)[2]
    told = call("--queries", asked, "--out", asked, "--overwrite")[2]
    assert "is what is read" in told
    assert (out.read_text(), asked.read_text()) == ("mine", "user\nu1\n")
    link = tmp_path / "link.csv"
    link.symlink_to(asked)
    assert "is a link" in call("--queries", asked, "--out", link, "--overwrite")[2]
    hard = tmp_path / "hard.csv"
    hard.hardlink_to(asked)
    assert "is what is read" in call("--queries", asked, "--out", hard, "--overwrite")[2]
    ids = folder / "ids.parquet"
    assert "is what is read" in call("u1", "--out", ids, "--overwrite")[2]
    assert call("u1", "--out", out, "--overwrite")[0] == 0
    assert out.read_text().startswith("query,rank,item,score")


FAULTS: dict[tuple[str, ...], str] = {
    (): "give questions as words, or --queries FILE, for instance: negatives predict",
    ("u1", "--queries", "x.csv"): "give questions as words, or --queries FILE, not both",
    ("u1", "--k", "0"): "--k 0: give a whole number from 1 on",
    ("u1", "--out", "x.xlsx"): "the ending must be one of .csv, .tsv, .parquet, .jsonl, .arrow",
    ("u1", "--kind", "item"): "--kind says what the things of --similar are",
    ("x", "--similar"): "no item is called 'x'",
    ("x", "--similar", "--kind", "tag"): "no tags by name; it has",
    ("--queries", "nowhere.csv"): "nowhere.csv: no such file; check the path",
    ("nobody",): "no user is called 'nobody'",
}


@pytest.mark.parametrize("words", FAULTS, ids=" ".join)
def test_faults_are_one_line(call: Call, words: tuple[str, ...]) -> None:
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert FAULTS[words] in err
    assert err.count("\n") == 1


def test_empty_questions_name_their_line(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,history\nu1,\n,\nu2,\n")
    code, _, err = call("--queries", path)
    assert (code, f"{path}, line 3: a question is empty" in err) == (2, True)


UNFIT = {
    "empty.csv": (b"", "the file is empty"),
    "empty.json": (b"[]", "neither JSON Lines nor a list of objects"),
    "cut.parquet": (b"PAR1\x15\x00", "cannot be read as a Parquet file"),
    "binary": (b"\x00\x01", "binary content, not text"),
    "nested.jsonl": (b'{"user": {"a": 1}}\n', "no column holds texts or lists of them; give columns called user"),
    "book.xlsx": (b"PK\x03\x04 [Content_Types].xml", "Excel is not read; read it with pandas"),
    "paper": (b"%PDF-1.7\n", "a PDF is not read; give a table of text"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_files_that_hold_no_questions(call: Call, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(UNFIT[name][0])
    code, out, err = call("--queries", tmp_path / name)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert UNFIT[name][1] in err


def test_tables_fit_the_terminal() -> None:
    frame = pl.DataFrame(
        {
            "query": ["a question of many words that goes on"] * 2,
            "rank": [1, 2],
            "item": ["doc-1", "doc-2"],
            "score": [0.5, -12.25],
            "known": [False, False],
            "text": ["The text of the document, which is long. " * 3, "Short."],
        }
    )
    lines = outputs.table(frame, 72).split("\n")
    assert max(map(len, lines)) == 72
    assert lines[0].split() == ["query", "item", "rank", "score", "text"]
    assert lines[2].endswith("-12.2500  Short.")
    assert max(map(len, outputs.table(frame).split("\n"))) > 150


def test_blocks_shrink_with_the_answers() -> None:
    assert [batch.block_size(k) for k in (1, 10, 100, 10_000, 10**9)] == [8192, 8192, 2621, 26, 16]
