"""Each task's run answers the command and the server as it answers in Python: known questions, and new ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from negatives.cli import main
from negatives.serving import answers, bodies
from negatives.serving.openapi import openapi
from negatives.serving.server import warm
from opened import trained_and_opened

COLOURS = {"red": "rose ruby brick", "blue": "sky sea ink", "green": "leaf moss pine"}


def purchases() -> str:
    rows = [f"u{user},i{item}" for user in range(30) for item in range(24) if (user * 7 + item * 3) % 5 < 3]
    return "user,item\n" + "\n".join(rows)


def facts() -> str:
    lives = [f"p{one}\tlives in\tt{one % 6}" for one in range(24)]
    return "\n".join(lives + [f"t{one}\tlies in\tl{one % 3}" for one in range(6)])


def edges() -> str:
    return "\n".join(f"n{one} n{(one + 2 * step) % 40}" for one in range(40) for step in (1, 2, 4))


def prose() -> str:
    kinds = ("the cat sat on the mat .", "a dog ran to a house .", "one bird flew over one tree .")
    return "\n".join(kinds * 40)


def sentences() -> str:
    return "\n".join(f"the {a} sat on {b} ." for a in "abcdefghi" for b in "klmnopqrs")


def labelled() -> str:
    rows = [
        f"{a} and {b} {n},{label}"
        for label, words in COLOURS.items()
        for a in words.split()
        for b in words.split()
        for n in range(4)
    ]
    return "text,label\n" + "\n".join(rows)


def asked_texts() -> str:
    rows = [f"what is {word} number {n},{word} {n} is a thing of {n}" for word in "abcdef" for n in range(12)]
    return "query,positive\n" + "\n".join(rows)


def graded() -> str:
    rows = [f"{a} word {n},{b} thing {n},{int(a == b)}" for a in "abcd" for b in "abcd" for n in range(6)]
    return "sentence1,sentence2,score\n" + "\n".join(rows)


Case = tuple[str, Callable[[], str], dict[str, Any], list[dict[str, Any]]]
CASES: dict[str, Case] = {
    "recommend": ("data.csv", purchases, {}, [{"user": "u1"}, {"history": ["i1", "i3"]}]),
    "sequence": ("data.csv", purchases, {}, [{"user": "u1"}, {"history": ["i3", "i1"]}]),
    "knowledge": ("data.tsv", facts, {}, [{"head": "p1", "relation": "lives in"}, {"head": "p1", "tail": "t1"}]),
    "graph": ("data.txt", edges, {"model": "propagation", "reading": {"wrong": 4}}, [{"node": "n1"}]),
    "words": ("data.txt", prose, {"reading": {"min_count": 1}}, [{"word": "cat"}, {"positive": ["dog"]}]),
    "search": ("data.csv", asked_texts, {}, [{"text": "what is b"}]),
    "similarity": ("data.csv", graded, {}, [{"text": "a word 3"}]),
    "classify": ("data.csv", labelled, {"recipe": "full"}, [{"text": "a ruby and a brick"}]),
    "language": ("data.txt", prose, {}, [{"text": "the cat"}, {"text": ""}]),
    "sentences": ("data.txt", sentences, {}, [{"text": "the a sat on b ."}]),
}


def written(question: dict[str, Any]) -> list[str]:
    """A question as words of a command."""
    return [f"{name}={','.join(value) if isinstance(value, list) else value}" for name, value in question.items()]


@pytest.mark.nightly
@pytest.mark.parametrize("task", CASES)
def test_command_and_server_answer_as_python_does(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, text, values, questions = CASES[task]
    (tmp_path / name).write_text(text() + "\n")
    _, run = trained_and_opened(tmp_path, task=task, data=str(tmp_path / name), **values)
    wanted = run.ask(questions, k=3)
    assert len(wanted) > 0
    capsys.readouterr()
    words = [word for question in questions for word in written(question)]
    assert main(["predict", str(run.held.path), *words, "--k", "3", "--format", "json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["query"], one["item"]) for one in rows] == wanted.select("query", "item").rows()
    pl.DataFrame(questions).write_ndjson(tmp_path / "asked.jsonl")
    out = tmp_path / "answers.parquet"
    if all(value for question in questions for value in question.values()):  # an empty cell is no question
        asked = ["--queries", str(tmp_path / "asked.jsonl"), "--out", str(out), "--k", "3"]
        assert main(["predict", str(run.held.path), *asked]) == 0
        assert pl.read_parquet(out).equals(wanted.select(pl.read_parquet_schema(out).keys()))
    warm(run)
    found = answers.predict(run, bodies.checked_body(bodies.Predict, {"queries": questions, "k": 3, "why": True}))
    assert [item["item"] for one in found["answers"] for item in one["items"]] == wanted["item"].to_list()
    json.dumps([found, answers.info(run, task), openapi(run, task)], allow_nan=False)
