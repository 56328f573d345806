"""``negatives watch``: what is followed, what the page is told, and who may ask."""

from __future__ import annotations

import json
import os
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from test_report import history, write_comparison, write_run

from negatives.cli import main
from negatives.diagnostics.watch import Server, follow
from negatives.diagnostics.watch.follow import Follower
from negatives.diagnostics.watch.server import HOST
from negatives.errors import ConfigError
from negatives.training.run_folder import LOCK
from negatives.training.taken import held

STEP = {"kind": "step", "step": 1, "seconds": 0.5, "epoch": 0, "progress": 0.1, "loss": 0.7}


def write(path: Path, *lines: dict[str, Any], tail: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines) + tail)


def steps(follower: Follower) -> list[int]:
    follower.poll()
    return [line["step"] for line in follower.lines]


def test_whole_lines_are_read_once(tmp_path: Path) -> None:
    follower, path = Follower(tmp_path / "run"), tmp_path / "run" / "history.jsonl"
    assert steps(follower) == []
    write(path, STEP, tail='{"kind": "step", "st')
    assert steps(follower) == [1]
    write(path, tail='ep": 9, "seconds": 1.0}\nnonsense\n{"step": 3}\n')
    assert steps(follower) == [1, 9]
    assert follower.generation == 0
    path.write_text(json.dumps(STEP | {"step": 2}) + "\n")  # cut
    assert steps(follower) == [2]
    assert follower.generation == 1
    other = tmp_path / "other"
    write(other, *(STEP | {"step": step} for step in (2, 3, 4)))
    os.replace(other, path)  # as a resumed run does it
    assert steps(follower) == [2, 3, 4]
    assert follower.generation == 2


def test_recipes_that_race_are_followed_until_one_is_kept(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    for name in ("soft", "default"):
        write(tmp_path / "race" / name / "history.jsonl", STEP)
    follower.poll()
    assert sorted(line["run"] for line in follower.lines) == ["default", "soft"]
    (tmp_path / "race" / "soft" / "history.jsonl").rename(tmp_path / "history.jsonl")
    follower.poll()
    assert [line.get("run") for line in follower.lines] == [None]
    assert follower.generation == 1


def test_the_state_is_that_of_the_lock_and_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    follower = Follower(run)
    assert follower.state() == "waiting"
    with held(run):
        os.utime(run / LOCK, (1, 1))
        assert follower.state() == "running"
        write(run / "history.jsonl", STEP)
    follower.poll()
    assert follower.state() == "stopped"
    (run / LOCK).touch()  # it may be about to be locked, and nobody looks
    assert follower.state() == "running"
    os.utime(run / LOCK, (1, 1))  # left by a process that died
    assert follower.state() == "stopped"
    monkeypatch.setattr(follow, "fcntl", None)
    assert follower.state() == "running"
    (run / "metrics.json").write_text("{}")
    assert follower.state() == "finished"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "run")
    thread = Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def changes(server: Server, told: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the page is told after ``told``."""
    query = "" if told is None else f"?generation={told['generation']}&after={told['lines']}&seen={quoted(told)}"
    with urllib.request.urlopen(f"{server.url}changes{query}") as reply:
        found: dict[str, Any] = json.load(reply)
    return found


def quoted(told: dict[str, Any]) -> str:
    return urllib.parse.quote(told["seen"])


def test_the_page_goes_from_waiting_to_the_whole_report(server: Server, tmp_path: Path) -> None:
    with urllib.request.urlopen(server.url) as reply:
        page = reply.read().decode()
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    assert "Waiting for run" in page
    assert 'id="state"' in page
    first = changes(server)
    assert (first["state"], first["lines"], first["feed"]) == ("waiting", 0, [])
    run, lines = tmp_path / "run", history("softmax", 0)
    with held(run):
        os.utime(run / LOCK, (1, 1))
        write(run / "history.jsonl", *lines[:40])
        second = changes(server, first)
        assert second["state"] == "running"
        assert second["said"].startswith("step 169 · epoch 8 · 35 % of the plan")
        assert "What is missing here" not in second["html"]
        curve = second["drawn"]["figures"]["graph-learning-against_time"]["data"][0]
        looks = [line for line in lines[:40] if line["kind"] == "evaluation"]
        assert len(curve["x"]) == len(looks) == len(second["feed"])
        assert second["feed"][0][1].startswith("evaluation after 1 epochs: recall@20 ")
        third = changes(server, second)
        assert "html" not in third
        assert third["feed"] == third["gained"] == []
        decision = {"kind": "decision", "step": 90, "seconds": 1.0, "decision": "race", "changed": "soft is kept"}
        write(run / "history.jsonl", decision)
        fourth = changes(server, third)
        assert fourth["feed"] == [["1.0 s", "race: soft is kept"]]
        assert fourth["gained"] == [decision]
    (run / "history.jsonl").unlink()
    write_run(tmp_path / "made")
    for path in (tmp_path / "made").iterdir():
        path.rename(run / path.name)
    last = changes(server, fourth)
    assert last["state"] == "finished"
    assert last["generation"] == 1
    assert "<h2>Test results</h2>" in last["html"]
    assert last["title"] == "Recommend on stdlib: sampler softmax"


def test_a_comparison_that_goes_on_shows_its_runs(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "run", ("uniform", "dns"), 1)
    (folder / "compare.json").rename(folder / "begun.json")
    made = Server(folder)
    try:
        told = made.told.changes(-1, 0, "")
    finally:
        made.server_close()
    assert told["state"] == "stopped"
    assert "2 samplers compared" in told["html"]
    assert {line["run"] for line in told["gained"]} == {"uniform-0", "dns-0"}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_who_asks_under_another_name_is_told_nothing(server: Server, host: str) -> None:
    port = server.server_address[1]
    connection = HTTPConnection(HOST, port)
    connection.putrequest("GET", "/changes", skip_host=True)
    connection.putheader("Host", host.format(port=port))
    connection.endheaders()
    reply = connection.getresponse()
    assert reply.status == 403
    assert b"state" not in reply.read()
    connection.close()


@pytest.mark.parametrize(
    "path", ["/../secret", "/%2e%2e/secret", "//secret", "/secret", "/history.jsonl", "/changes/x"]
)
def test_no_path_is_read(server: Server, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("secret words")
    connection = HTTPConnection(HOST, server.server_address[1])
    connection.request("GET", path)
    reply = connection.getresponse()
    assert reply.status == 404
    assert b"words" not in reply.read()
    connection.request("POST", "/changes", body=b"")
    assert connection.getresponse().status == 501
    connection.close()


def test_only_this_machine_is_served(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_nonsense_from_the_page_is_no_fault(server: Server) -> None:
    with urllib.request.urlopen(f"{server.url}changes?after=-5&generation=a&seen=%00&after={'9' * 40}") as reply:
        assert json.load(reply)["state"] == "waiting"


def test_what_cannot_be_watched_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data.csv").write_text("user,item\n")
    assert main(["watch", str(tmp_path / "data.csv"), "--no-browser"]) == 2
    assert "data.csv: is a file, not a run folder" in capsys.readouterr().err
    assert main(["watch", str(tmp_path), "--no-browser"]) == 2
    assert "holds no run" in capsys.readouterr().err
    assert main(["watch", str(tmp_path / "run"), "--port", "70000", "--no-browser"]) == 2
    assert "--port 70000 is no port" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(ConfigError, match="is taken; choose another, or 0"):
            Server(tmp_path / "run", taken.getsockname()[1])


def test_ctrl_c_ends_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(self: Server, poll_interval: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", interrupted)
    assert main(["watch", str(tmp_path / "run"), "--no-browser"]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"watching {tmp_path / 'run'} at http://127.0.0.1:")
    assert last == "no longer watching"
