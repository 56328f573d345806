"""A sampler for a loop of one's own in one call: what it takes, and what it says of what it cannot take."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

import negatives
from negatives import Catalogue, Csr, Sampler, Vectors, losses
from negatives.errors import ConfigError, InputError
from negatives.guards import KnownPositives, OwnPositive
from negatives.sampler import build

QUERIES, ITEMS = [0, 0, 1, 2, 2], [4, 2, 1, 0, 6]


def table() -> Csr:
    return Csr.from_pairs(torch.tensor(QUERIES), torch.tensor(ITEMS), 3, 7)


TRAINS = {
    "lists": (QUERIES, ITEMS),
    "tensors": (torch.tensor(QUERIES), torch.tensor(ITEMS, dtype=torch.int16)),
    "arrays": (np.array(QUERIES, dtype=np.uint32), np.array(ITEMS, dtype=np.int8)),
    "read-only": (np.frombuffer(np.array(QUERIES).tobytes(), dtype=np.int64), ITEMS),
    "one tensor": torch.tensor([QUERIES, ITEMS]),
    "csr": table(),
    "scipy": sparse.csr_matrix((np.ones(5), (QUERIES, ITEMS)), shape=(3, 7)),
    "catalogue": Catalogue(3, 7, torch.bincount(torch.tensor(ITEMS), minlength=7), table()),
}


@pytest.mark.parametrize("kind", TRAINS)
def test_pairs_of_any_kind_give_the_same_sampler(kind: str) -> None:
    bound = build({"name": "popularity", "candidates": 9}, seed=3)
    bound.bind(TRAINS["catalogue"])
    made = negatives.sampler({"name": "popularity", "candidates": 9}, TRAINS[kind], seed=3)
    rows = torch.tensor(QUERIES), torch.tensor(ITEMS)
    assert isinstance(made, Sampler)
    assert torch.equal(made(*rows).ids, bound(*rows).ids)
    assert torch.equal(made(*rows).log_q, bound(*rows).log_q)


def test_the_package_is_called_and_imported_from() -> None:
    code = "import negatives; a = negatives.sampler('dns', ([0], [1])); from negatives.sampler import build, presets; "
    code += "import negatives.sampler as s; assert s is negatives.sampler and s.build is build and 'dns' in presets"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_file_and_a_path_name_a_sampler(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[sampler]\nproposal = "uniform"\ncandidates = 5\n')
    for spec in (path, str(path)):
        assert negatives.sampler(spec, (QUERIES, ITEMS)).candidates == 5
    path.write_text("[other]\n")
    with pytest.raises(ConfigError, match="no key is called 'other'"):
        negatives.sampler(path, (QUERIES, ITEMS))


def test_a_preset_with_two_forms_takes_that_of_the_loss() -> None:
    assert negatives.sampler("auto", (QUERIES, ITEMS), loss="bpr").pool is None
    for loss in ("sampled_softmax", losses.SampledSoftmax(), {"name": "sampled_softmax", "temperature": 0.1}):
        assert negatives.sampler("auto", (QUERIES, ITEMS), loss=loss).pool == 2048


def test_queries_and_items_that_come_later_have_their_places() -> None:
    made = negatives.sampler("uniform", (QUERIES, ITEMS), n_queries=9, n_items=400)
    found = made(torch.full((200,), 8), torch.full((200,), 5))
    assert int(found.ids.max()) > 6
    for spec in (table(), TRAINS["scipy"]):
        assert int(negatives.sampler("uniform", spec, n_items=400)([2] * 200, [6] * 200).ids.max()) > 6


def test_pairs_without_queries_guard_the_own_positive() -> None:
    made = negatives.sampler("softmax", (None, ITEMS))
    assert [type(one) for one in made.guards] == [OwnPositive]
    found = made(None, np.array([4, 2]))
    assert torch.equal(found.ok, found.ids != torch.tensor([[4], [2]]))
    with pytest.raises(InputError, match=r"query 1 at place 0 .* there is none; for more, .* n_queries="):
        made([1], [4])
    assert [type(one) for one in negatives.sampler("softmax", (QUERIES, ITEMS)).guards] == [KnownPositives]


@pytest.mark.parametrize(
    ("train", "sizes", "told"),
    [
        (torch.arange(6), {}, r"train is \(6,\); give \(queries, items\)"),
        (7, {}, r"train is a int; give \(queries, items\)"),
        (([0, 1], [1]), {}, "train has 2 queries and 1 items"),
        (([0], [0.5]), {}, "item ids are float64; give whole numbers"),
        ((torch.tensor([0.0]), [1]), {}, "query ids are float32; give whole numbers"),
        (([0], [-1]), {}, "train holds the item -1; ids are numbered from 0; leave padding out"),
        (([3], [1]), {"n_queries": 3}, "train holds the query 3, and n_queries is 3; give n_queries=4"),
        (([], []), {}, "train holds no pair; give the pairs of the training part, or n_items="),
    ],
)
def test_what_is_no_pairs_is_told(train, sizes, told) -> None:
    with pytest.raises(InputError, match=told):
        negatives.sampler("uniform", train, **sizes)


def test_a_catalogue_has_its_sizes() -> None:
    with pytest.raises(ConfigError, match="n_items is 9, and the catalogue has 7 items"):
        negatives.sampler("uniform", TRAINS["catalogue"], n_items=9)


def test_names_stand_at_the_top() -> None:
    made = negatives.sampler("dns", (QUERIES, ITEMS))
    found = made(QUERIES, ITEMS, Vectors(torch.ones(5, 2), torch.arange(14.0).view(7, 2)))
    assert found.ids[:, 0].tolist() == [6, 6, 6, 5, 5]
    assert negatives.Items is not None
