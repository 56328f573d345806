"""The server over real sockets: its answers are the run's, its faults one sentence, its description true."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from negatives.answering import Run
from negatives.cli import main
from negatives.serving import bodies, guarding
from negatives.serving.app import make_app, page
from negatives.serving.server import bind

JSON = {"Content-Type": "application/json"}
Reply = tuple[int, Any]
Call = Callable[..., Reply]


@pytest.fixture(scope="module")
def port(run: Run) -> Iterator[int]:
    """A server with two runs, at this port."""
    with bind("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(make_app({"shop": run, "other": run}), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.fixture
def call(port: int) -> Iterator[Call]:
    """Sends a request; status and JSON, or text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def of(path: str, body: Any = None, headers: dict[str, str] | None = None, method: str = "") -> Reply:
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        how = method or ("GET" if body is None else "POST")
        connection.request(how, path, sent, (JSON if body is not None else {}) | (headers or {}))
        reply = connection.getresponse()
        text = reply.read().decode()
        return reply.status, json.loads(text) if "json" in (reply.headers["content-type"] or "") else text

    yield of
    connection.close()


def told(answers: list[dict[str, Any]]) -> list[tuple[str, int, str, float, bool]]:
    return [
        (one["query"], item["rank"], item["item"], round(item["score"], 4), item["known"])
        for one in answers
        for item in one["items"]
    ]


def test_answers_are_the_runs(run: Run, call: Call) -> None:
    questions: list[Any] = ["u1", {"history": ["i1", "i3"]}, {"user": "u2"}, {"user": "u1"}]
    code, found = call("/predict", {"queries": questions, "k": 3})
    assert code == 200
    wanted = run.ask([{"user": "u1"}, *questions[1:]], k=3)
    assert told(found["answers"]) == [(*row[:3], round(row[3], 4), row[4]) for row in wanted.rows()]
    code, same = call("/runs/other/predict?" + urlencode({"user": "u2", "k": 3}))
    assert (code, told(same["answers"])) == (200, told(found["answers"][2:3]))
    code, several = call("/predict?user=u1&user=u2&k=1&include_known=true")
    assert [one["query"] for one in several["answers"]] == ["u1", "u2"]
    assert several["answers"][0]["items"][0]["known"]
    code, listed = call("/predict?history=i1,i3&k=3")
    assert told(listed["answers"]) == told(found["answers"][1:2])


def test_the_other_verbs(run: Run, call: Call) -> None:
    _, found = call("/similar", {"names": ["i1", "i2"], "k": 2})
    items = [item["item"] for one in found["answers"] for item in one["items"]]
    assert items == run.similar(["i1", "i2"], k=2)["item"].to_list()
    assert [one["query"] for one in found["answers"]] == ["i1", "i2"]
    assert call("/similar?names=i1&names=i2&k=2")[1] == found
    _, scored = call("/score", {"queries": ["u1"], "items": ["i1", "i2"]})
    assert [round(one["score"], 5) for one in scored["scores"]] == [
        round(one, 5) for one in run.score("u1", ["i1", "i2"])["score"].to_list()
    ]
    _, vectors = call("/encode", {"names": ["i1"], "kind": "item"})
    assert vectors["vectors"][0] == pytest.approx(run.encode(["i1"], kind="item")[0].tolist(), abs=1e-6)
    _, vectors = call("/encode", {"queries": ["u1"]})
    assert vectors["vectors"][0] == pytest.approx(run.encode("u1")[0].tolist(), abs=1e-6)
    assert call("/suggest?kind=query&text=U2&k=3")[1] == {"names": [{"name": "u2"}, {"name": "u20"}, {"name": "u21"}]}
    assert call("/health") == (200, {"status": "ok"})


def test_reasons(run: Run, call: Call) -> None:
    _, found = call("/predict", {"queries": ["u1"], "k": 3, "why": True})
    answer = found["answers"][0]
    assert run.held.known is not None
    known = {run.names("item")[one] for one in run.held.known.row(int(run.names("query").ids(["u1"]))).tolist()}
    assert {one["name"] for one in answer["known"]} == known
    assert answer["n_known"] == len(known)
    why = run.why({"user": "u1"}, [one["item"] for one in answer["items"]])
    assert [reason["because"] for one in answer["items"] for reason in one["why"]] == why["because"].to_list()
    assert set(why["because"]) <= known


def test_what_the_run_is(run: Run, call: Call) -> None:
    _, found = call("/info")
    assert (found["name"], found["task"], found["model"], found["items"]) == ("shop", "recommend", "lightgcn", "item")
    assert found["data"] == "data"
    assert [form["name"] for form in found["forms"]] == ["user", "history", "features"]
    assert found["forms"][1]["fields"][0] | {"about": ""} == {
        "name": "history", "about": "", "many": True, "optional": False, "kind": "item",
    }  # fmt: skip
    assert {one["kind"]: one["size"] for one in found["kinds"]} == {"query": 30, "item": 24}
    assert [one["name"] for one in call("/runs")[1]["runs"]] == ["shop", "other"]
    assert "/" not in json.dumps(found)


FAULTS: dict[str, tuple[str, Any, int, str]] = {
    "unknown": ("/predict", {"queries": ["nobody"]}, 404, "no user is called 'nobody'"),
    "asked wrongly": ("/predict", {"queries": [{"head": "a"}]}, 422, "not asked by head; give user=..."),
    "no question": ("/predict", {"queries": []}, 422, "queries: list should have at least 1 item"),
    "missing": ("/predict", {}, 422, "queries is missing"),
    "another key": ("/predict", {"queries": ["u1"], "top": 3}, 422, "nothing is called 'top' here; there are queries"),
    "k": ("/predict", {"queries": ["u1"], "k": 10_001}, 422, "k: input should be less than or equal to 10000"),
    "k as text": ("/predict", {"queries": ["u1"], "k": "5"}, 422, "k: input should be a valid integer"),
    "half a number": ("/predict", {"queries": ["u1"], "k": 1.5}, 422, "k: "),
    "nested": ("/predict", {"queries": [{"user": {"a": 1}}]}, 422, "queries is no list of texts or of objects"),
    "many": ("/predict", {"queries": ["u1"] * 1001}, 422, "queries: list should have at most 1000 items"),
    "cells": ("/predict", {"queries": ["u1"] * 900, "k": 900}, 422, "more than 200,000 answers; ask in parts"),
    "no JSON": ("/predict", b'{"queries": [', 400, "the body is not JSON"),
    "not UTF-8": ("/predict", b"\xff\xfe", 400, "the body is not JSON"),
    "deep": ("/predict", b"[" * 100_000, 400, "the body is not JSON"),
    "a list": ("/predict", ["u1"], 400, "no JSON object"),
    "nothing there": ("/etc/passwd", None, 404, "nothing is at /etc/passwd"),
    "above": ("/../../etc/passwd", None, 404, "nothing is at"),
    "no words": ("/predict?foo=1", None, 422, "for instance /predict?user=NAME"),
    "kind": ("/suggest?kind=tag", None, 422, "this run has no tags by name"),
    "both": ("/encode", {"queries": ["u1"], "names": ["i1"]}, 422, "not both"),
    "no pairs": ("/score", {"queries": ["u1", "u2"], "items": ["i1", "i2", "i3"]}, 422, "make no pairs"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_sentence(call: Call, name: str) -> None:
    path, body, status, sentence = FAULTS[name]
    code, found = call(path, body)
    assert (code, list(found)) == (status, ["error"])
    assert sentence in found["error"]
    assert "\n" not in found["error"]


def test_the_guard(call: Call, port: int) -> None:
    code, found = call("/info", headers={"Host": "evil.example"})
    assert (code, found["error"]) == (
        400, "this server is not called 'evil.example'; start it with --allow evil.example if it should be",
    )  # fmt: skip
    assert call("/info", headers={"Host": "localhost:1"})[0] == 200
    assert call("/predict", {"queries": ["u1"]}, {"Content-Type": "text/plain"})[0] == 415
    assert call("/predict", method="DELETE") == (405, {"error": "this address takes no DELETE"})
    large = b'{"queries": ["' + b"a" * bodies.MOST_BYTES + b'"]}'
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("POST", "/predict")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(large)))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/predict", iter([large[: 1 << 20]] * 5), JSON, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_more_than_may_wait_are_sent_away(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarding, "WAITING", 0)
    assert call("/predict?user=u1") == (503, {"error": "too many requests at a time; try again"})
    monkeypatch.undo()
    assert call("/predict?user=u1")[0] == 200


def test_hosts() -> None:
    assert guarding.allowed("localhost", "127.0.0.1")
    assert not guarding.allowed("192.168.0.7", "127.0.0.1")
    assert guarding.allowed("192.168.0.7", "0.0.0.0")
    assert not guarding.allowed("evil.example", "0.0.0.0")
    assert guarding.allowed("shop.example", "0.0.0.0", ["Shop.example"])


def test_the_description_is_true(call: Call) -> None:
    _, described = call("/openapi.json")
    validate(described)
    schemas = json.loads(json.dumps(described["components"]).replace("#/components/schemas/", "#/$defs/"))["schemas"]

    def fits(value: Any, name: str) -> bool:
        return Draft202012Validator({"$defs": schemas, "$ref": f"#/$defs/{name}"}).is_valid(value)

    body = {"queries": ["u1", {"history": ["i1"]}], "k": 3, "why": True}
    assert fits(body, "PredictRequest")
    assert fits(call("/predict", body)[1], "Answers")
    assert fits(call("/similar", {"names": ["i1"]})[1], "Answers")
    assert fits(call("/score", {"queries": ["u1"], "items": ["i1"]})[1], "Scores")
    assert fits(call("/encode", {"queries": ["u1"]})[1], "Vectors")
    assert fits(call("/suggest?text=i")[1], "Suggestions")
    assert fits(call("/predict", {})[1], "Error")
    for wrong in ({}, {"queries": [{"head": "a"}]}, {"queries": ["u1"], "k": 0}, {"queries": ["u1"], "top": 1}):
        assert not fits(wrong, "PredictRequest"), wrong
    for path, how in described["paths"].items():
        for method in how:
            assert call(path, {} if method == "post" else None)[0] in (200, 422), path


def test_the_page_loads_nothing_else(call: Call) -> None:
    code, text = call("/")
    assert (code, text) == (200, page()[0])
    assert not re.findall(r"(?:src|href|action|url)\s*[=(]\s*[\"']?\s*(?:https?:)?//", text)
    assert "innerHTML" not in text
    assert len(text) < 32_000
    assert "script-src 'sha256-" in page()[1]
    assert "unsafe" not in page()[1]


def test_signals_stop_it(folder: Path) -> None:
    source = str(Path(__file__).parents[3] / "src")
    command = [sys.executable, "-m", "negatives", "serve", str(folder), "--port", "0"]
    environment = os.environ | {"PYTHONPATH": source, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert "RecommendRun lightgcn, 30 users, 24 items" in first
    assert re.fullmatch(r"serving: http://127\.0\.0\.1:\d+/ \(Ctrl-C stops\)\n", second)
    assert (rest, process.returncode) == ("stopped\n", 0)


def test_small_answers_are_sent_at_once() -> None:
    """asyncio does so only for sockets that name their protocol; else each answer waits 40 ms for the other side."""
    with bind("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_a_port_in_use(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with bind("127.0.0.1", 0) as taken:
        assert main(["serve", str(folder), "--port", str(taken.getsockname()[1])]) == 2
    assert "of 127.0.0.1 is in use; choose another with --port" in capsys.readouterr().err
    assert main(["serve", str(folder), str(folder), "--port", "0"]) == 2
    assert "two runs are called copy; rename one of the folders" in capsys.readouterr().err
