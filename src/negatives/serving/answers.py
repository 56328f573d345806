"""What the server answers, as JSON has it: plain lists and mappings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from negatives.answering import Run
from negatives.answering.forms import Form, Question, checked, form_of, questions_of
from negatives.errors import ConfigError
from negatives.serving import bodies

REASONED = 100
"""Answers of a question for which reasons are looked for."""
MOST_KNOWN = 100
"""Known items of a question that are told."""
Json = dict[str, Any]


def predict(run: Run, asked: bodies.Predict) -> Json:
    """The best items for each question, and why."""
    questions = questions_of(run.forms, asked.queries, {})
    found = run.answers(questions, asked.k, asked.include_known)
    by_question = found.partition_by("row", as_dict=True, include_key=False)
    empty = found.drop("row").clear()
    answers = []
    for row, question in enumerate(questions):
        answer: Json = {"query": _label(run, question), "items": items(by_question.get((row,), empty))}
        if asked.why:
            answer |= _reasons(run, question, answer["items"])
        answers.append(answer)
    return {"answers": answers}


def similar(run: Run, asked: bodies.Similar) -> Json:
    """The nearest to each thing."""
    names = [str(name) for name in asked.names]
    found = run.similar(names, k=asked.k, kind=asked.kind)
    starts = (found["rank"] == 1).cum_sum()
    by_question = [part.drop("\0") for part in found.with_columns(starts.alias("\0")).partition_by("\0")]
    if len(by_question) != len(names):  # fewer than two things of the kind
        by_question = [found.clear()] * len(names)
    return {"answers": [{"query": name, "items": items(one)} for name, one in zip(names, by_question, strict=True)]}


def score(run: Run, asked: bodies.Score) -> Json:
    """The score of each pair."""
    found = run.score(asked.queries, [str(one) for one in asked.items])
    return {"scores": [{name: _plain(value) for name, value in row.items()} for row in found.iter_rows(named=True)]}


def encode(run: Run, asked: bodies.Encode) -> Json:
    """The vector of each question or thing.

    Raises:
        ConfigError: Both are given, or neither.
    """
    if (asked.queries is None) == (asked.names is None):
        raise ConfigError("give queries, or names and their kind, not both")
    if asked.names is not None:
        vectors = run.encode([str(name) for name in asked.names], kind=asked.kind or run.items)
    else:
        vectors = run.encode(asked.queries)
    return {"vectors": [[_plain(value) for value in row] for row in vectors.tolist()]}


def suggest(run: Run, asked: bodies.Suggest) -> Json:
    """Names for what was typed, each with its text where the run has one."""
    kind = asked.kind or run.items
    names = run.names(kind)
    return {"names": [_named(run, kind, name) for name in names.starting(asked.text, asked.k)]}


def info(run: Run, name: str) -> Json:
    """What the run is and how it can be asked; no path of this machine."""
    metrics, config = run.held.metrics, run.held.config
    sizes = {kind: len(names) for kind, names in run.held.names.items()}
    sizes |= {kind: len(table) for kind, table in run.held.tables.items() if kind not in sizes}
    return {
        "name": name,
        "task": config.task,
        "model": str(config.part("model")),
        "data": Path(str(metrics.get("data", ""))).name,
        "watched": metrics.get("watched"),
        "test": {key: _plain(value) for key, value in dict(metrics.get("test") or {}).items()},
        "items": run.items,
        "known": run.held.known is not None,
        "forms": [form_info(form) | {"answered": run.answered(form)} for form in run.forms],
        "kinds": [
            {
                "kind": kind,
                "called": run.called.get(kind, kind),
                "size": size,
                "names": kind in run.held.names,
                "similar": kind in run.held.names and kind in run.held.tables,
            }
            for kind, size in sizes.items()
        ],
        "limits": {"k": bodies.MOST_ANSWERS, "queries": bodies.MOST_QUESTIONS, "bytes": bodies.MOST_BYTES},
    }


def form_info(form: Form) -> Json:
    """A form as /info tells it."""
    fields = [
        {"name": one.name, "about": one.about, "many": one.many, "optional": one.optional, "kind": one.kind}
        for one in form.fields
    ]
    return {"name": form.name, "about": form.about, "fields": fields}


def items(found: pl.DataFrame) -> list[Json]:
    """Rows of answers to one question."""
    columns = [name for name in found.columns if name != "query"]
    return [{name: _plain(value) for name, value in row.items()} for row in found.select(columns).iter_rows(named=True)]


def _label(run: Run, question: Question) -> str:
    form = form_of(run.forms, question)
    return run.label(form, checked(form, question))


def _reasons(run: Run, question: Question, answered: Sequence[Json]) -> Json:
    """Known items of a question, and what speaks for each of its answers; put into these."""
    form = form_of(run.forms, question)
    known = run.known(form, checked(form, question))
    names = [str(one["item"]) for one in answered[:REASONED]]
    found = run.why(question, names) if names else pl.DataFrame()
    reasons: dict[str, list[Json]] = {}
    for row in found.iter_rows(named=True):
        reasons.setdefault(row["item"], []).append({"because": row["because"], "score": _plain(row["score"])})
    for one in answered[:REASONED]:
        one["why"] = reasons.get(str(one["item"]), [])
    kind = run.answered(form)
    told = [_named(run, kind, run.names(kind)[one]) for one in known[:MOST_KNOWN]]
    return {"known": told, "n_known": len(known)}


def _named(run: Run, kind: str, name: str) -> Json:
    texts = run.texts(kind)
    return {"name": name} if texts is None else {"name": name, "text": texts[int(run.names(kind).find([name])[0])]}


def _plain(value: Any) -> Any:
    """A number that JSON can hold, at the digits of single precision; null for none."""
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return value
