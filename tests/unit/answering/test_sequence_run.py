"""A finished run of sequences is asked by histories, in their order."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
import torch

from negatives.answering import Run
from negatives.answering.pairs import SequenceRun
from negatives.cli import main
from negatives.errors import InputError
from negatives.serving import answers, bodies
from opened import trained_and_opened


@pytest.fixture(scope="module", params=["sequential_rules", "history", "sasrec"])
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """Users who go round a circle of twenty items, in memory and from a copy of the folder."""
    return trained(request.param, tmp_path_factory.mktemp(request.param))


@cache
def trained(model: str, folder: Path, again: bool = False) -> tuple[Run, Run]:
    path = folder / "data.jsonl"
    rows = [[f"i{(user * 7 + step) % 20:02}" for step in range(5 + user % 6)] for user in range(60)]
    path.write_text("".join(json.dumps({"user": f"u{n}", "items": row}) + "\n" for n, row in enumerate(rows)))
    return trained_and_opened(folder, task="sequence", data=str(path), model=model, reading={"again": again})


QUESTIONS = [{"user": "u3"}, {"history": ["i04", "i05"]}, {"history": ["i05", "i04"]}, {"user": "u17"}]


def test_a_copy_answers_as_the_training_process_did(runs: tuple[Run, Run]) -> None:
    found = [run.ask(QUESTIONS, k=5) for run in runs]
    assert isinstance(runs[1], SequenceRun)
    assert found[0].equals(found[1])
    assert found[0]["query"].n_unique() == 4
    assert torch.equal(*(run.score(QUESTIONS, "i09")["score"].to_torch() for run in runs))


def test_the_order_of_a_history_counts(runs: tuple[Run, Run], tmp_path_factory: pytest.TempPathFactory) -> None:
    run = runs[1]
    there, back = (run.predict(history=one, k=3) for one in (["i04", "i05"], ["i05", "i04"]))
    both = run.predict(history=[["i04", "i05"], ["i05", "i04"]], k=3)
    alone = there.vstack(back)
    assert both.drop("query", "score").equals(alone.drop("query", "score"))
    torch.testing.assert_close(both["score"].to_torch(), alone["score"].to_torch())  # read together, or one by one
    if str(run.held.config.part("model")) == "history":  # it knows no order
        assert there["item"].to_list() == back["item"].to_list()
    elif str(run.held.config.part("model")) == "sequential_rules":
        assert there["item"][0] == "i06"
    if str(run.held.config.part("model")) != "history":
        assert not set(there["item"]) & {"i04", "i05"}
        assert there["score"].to_list() != back["score"].to_list()


def test_known_users_have_the_whole_of_their_histories(tmp_path: Path) -> None:
    """With what was held back for validation: what follows is the item that the test part asks for."""
    _, run = trained("sequential_rules", tmp_path)
    for user in (0, 7, 31):
        last = user * 7 + 5 + user % 6 - 1
        assert run.predict(f"u{user}", k=1)["item"].to_list() == [f"i{last % 20:02}"]


def test_what_may_come_again_is_answered_again(tmp_path: Path) -> None:
    _, run = trained("sequential_rules", tmp_path, again=True)
    assert run.predict(history=["i06", "i05"], k=1)["item"].to_list() == ["i06"]


def test_names_that_nobody_knows_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, run = trained("sequential_rules", tmp_path)
    with pytest.raises(InputError, match=r"no item is called 'i4'"):
        run.predict(history=["i04", "i4"])
    capsys.readouterr()
    folder = str(run.held.path)
    assert main(["predict", folder, "history=i04,i05", "--k", "1", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["item"] == "i06"
    assert main(["predict", folder, "history=i4"]) == 2
    assert "no item is called 'i4'" in capsys.readouterr().err
    body = bodies.checked_body(bodies.Predict, {"queries": [{"history": ["i04", "i05"]}], "k": 1, "why": True})
    assert answers.predict(run, body)["answers"][0]["items"][0]["item"] == "i06"
