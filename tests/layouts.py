"""Tiny data sets in the layouts of published ones, with the right rows by part, and broken ones with their error."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy import sparse

from negatives.data.readers import Options, Schema
from negatives.data.readers.schema import EDGES, PAIRS, TRIPLES
from negatives.data.table import Table

Files = Mapping[str, str | bytes]
Rows = list[tuple[str, ...]]


@dataclass(frozen=True)
class Case:
    """One layout.

    Args:
        schema: What is read from it.
        files: Its files by path.
        rows: Right rows by part.
        told: Words that the notes hold.
        data: What is named, below the folder.
        options: What the caller says.
    """

    schema: Schema
    files: Files
    rows: Mapping[str, Rows]
    told: tuple[str, ...] = ()
    data: str = ""
    options: Options = field(default_factory=Options)


@dataclass(frozen=True)
class Fault:
    """A broken layout: its files, and what the error must name."""

    schema: Schema
    files: Files
    file: str
    line: int | None
    words: str
    data: str = ""
    options: Options = field(default_factory=Options)


def write(folder: Path, files: Files) -> Path:
    """Write files into a folder, those called ``.gz`` compressed."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return folder


def rows(table: Table, schema: Schema) -> Rows:
    """The names that a row of the schema needs, row by row."""
    columns = [table.ids(role.name).text().to_list() for role in schema.needed]
    return list(zip(*columns, strict=True))


def array(value: object, kind: str = "i8") -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(value, kind))
    return file.getvalue()


def arrays(**values: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **{name: np.array(value) for name, value in values.items()})  # type: ignore[arg-type]
    return file.getvalue()


def matrix(dense: object) -> bytes:
    file = io.BytesIO()
    sparse.save_npz(file, sparse.csr_matrix(np.array(dense)))
    return file.getvalue()


def saved(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


ML100K = "196\t242\t3\t881250949\n186\t302\t3\t891717742\n22\t377\t1\t878887116\n"
ML100K_ROWS: Rows = [("196", "242"), ("186", "302"), ("22", "377")]
ML1M = "1::1193::5::978300760\n1::661::3::978302109\n2::1357::5::978298709\n"
MOVIES = "1::Toy Story (1995)::Animation|Children's|Comedy\n"
CSV_RATINGS = "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,3,4.0,964981247\n2,3,0.5,964982224\n"
YELP = "".join(
    json.dumps(row) + "\n"
    for row in (
        {"review_id": "r1", "user_id": "mh_-eM", "business_id": "XQfwVw", "stars": 3.0, "useful": 0,
         "text": "If you, decide", "date": "2018-07-07 22:09:11"},
        {"review_id": "r2", "user_id": "OyoGAe", "business_id": "7ATYjT", "stars": 5.0, "useful": 1,
         "text": "I've taken", "date": "2012-01-03 15:28:18"},
    )
)  # fmt: skip
REVIEWS_2014 = (
    '{"reviewerID": "A2SUAM1J3GNN3B", "asin": "0000013714", "reviewerName": "J. McDonald", "helpful": [2, 3], '
    '"reviewText": "I bought this", "overall": 5.0, "summary": "Heavenly", "unixReviewTime": 1252800000, '
    '"reviewTime": "09 13, 2009"}\n'
)
REVIEWS_2023 = (
    '{"rating": 5.0, "title": "Such a lovely scent", "text": "This spray", "images": [], "asin": "B00YQ6X8EO", '
    '"parent_asin": "B00YQ6X8E1", "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ", "timestamp": 1588687728923, '
    '"helpful_vote": 0, "verified_purchase": true}\n'
)
RETAIL = (
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    '536365,85123A,"WHITE HANGING HEART, T-LIGHT",6,12/1/2010 8:26,2.55,17850,United Kingdom\n'
    "536365,71053,WHITE METAL LANTERN,6,12/1/2010 8:26,3.39,17850,United Kingdom\n"
    "536414,22139,,56,12/1/2010 11:52,0,,United Kingdom\n"
    "C536379,D,Discount,-1,12/1/2010 9:41,27.5,14527,United Kingdom\n"
    "536381,22139,RETROSPOT TEA SET,-3,12/1/2010 9:41,4.25,15311,United Kingdom\n"
)
OPENKE = {
    "train2id.txt": "3\n0\t1\t0\n1\t2\t1\n2 0 0\n",
    "valid2id.txt": "1\n0 2 1\n",
    "test2id.txt": "1\n1 0 0\n",
    "entity2id.txt": "3\n/m/027rn\t0\nNew York\t1\n/m/05b4w 2\n",
    "relation2id.txt": "2\n/people/born_in\t0\n/loc/has\t1\n",
}
NT = (
    "# a comment\n"
    "<http://x.org/Ada> <http://x.org/knows> <http://x.org/Bob> .\n"
    '<http://x.org/Ada> <http://x.org/name> "Ada \\"the\\" . Great"@en .\n'
    "\n"
    '_:b0 <http://x.org/age> "7"^^<http://www.w3.org/2001/XMLSchema#integer> .\n'
    "_:b0 <http://x.org/knows> <http://x.org/Zo\\u00EB> . # who\n"
)
NT_ROWS: Rows = [
    ("http://x.org/Ada", "http://x.org/knows", "http://x.org/Bob"),
    ("_:b0", "http://x.org/knows", "http://x.org/Zoë"),
]
MTX = "%%MatrixMarket matrix coordinate pattern symmetric\n% made by hand\n4 4 3\n2 1\n3 1\n4 3\n"
SNAP = (
    "# Directed graph (each unordered pair of nodes is saved once): web.txt\n# Nodes: 4 Edges: 3\n"
    "# FromNodeId\tToNodeId\n0\t11342\n0\t824020\n11342\t0\n"
)
SNAP_ROWS: Rows = [("0", "11342"), ("0", "824020"), ("11342", "0")]
SQUARE: Rows = [("0", "1"), ("1", "2"), ("2", "0")]
INDEX = [[0, 1, 2], [1, 2, 0]]

CASES: dict[str, Case] = {
    "movielens 100k": Case(
        PAIRS,
        {"u.data": ML100K, "u.item": "1|Toy Story (1995)|01-Jan-1995\n", "u1.base": ML100K, "u1.test": ML100K},
        {"train": ML100K_ROWS}, ("MovieLens 100k", "name u1.base"),
    ),
    "movielens 100k, a fold": Case(
        PAIRS, {"u.data": ML100K, "u1.base": ML100K, "u1.test": "6\t9\t5\t891717742\n"},
        {"train": ML100K_ROWS, "test": [("6", "9")]}, ("a fold of MovieLens",), "u1.base",
    ),
    "movielens 1m": Case(
        PAIRS, {"ratings.dat": ML1M, "movies.dat": MOVIES, "users.dat": "1::F::1::10::48067\n"},
        {"train": [("1", "1193"), ("1", "661"), ("2", "1357")]}, ("MovieLens 1M",),
    ),
    "movielens latest": Case(
        PAIRS, {"ratings.csv": CSV_RATINGS, "movies.csv": "movieId,title,genres\n1,Toy,A|B\n", "tags.csv": "a\n"},
        {"train": [("1", "1"), ("1", "3"), ("2", "3")]}, ("ratings of MovieLens", "ratings from 0.5 to 4"),
    ),
    "yelp": Case(
        PAIRS,
        {"yelp_academic_dataset_review.json": YELP, "yelp_academic_dataset_business.json": '{"business_id": "x"}\n',
         "yelp_academic_dataset_tip.json": YELP},
        {"train": [("mh_-eM", "XQfwVw"), ("OyoGAe", "7ATYjT")]}, ("reviews of Yelp", "time = date"),
    ),
    "amazon 2014 reviews": Case(
        PAIRS, {"reviews_Beauty_5.json.gz": REVIEWS_2014}, {"train": [("A2SUAM1J3GNN3B", "0000013714")]},
        ("time = unixReviewTime",), "reviews_Beauty_5.json.gz",
    ),
    "amazon 2014 ratings": Case(
        PAIRS, {"ratings_Beauty.csv": "A39HTATAQ9V7YF,0205616461,5.0,1369699200\nA3JM6GV9MNOF9X,0558925278,3.0,"
                "1355443200\n"},
        {"train": [("A39HTATAQ9V7YF", "0205616461"), ("A3JM6GV9MNOF9X", "0558925278")]},
        ("the user stands first",), "ratings_Beauty.csv",
    ),
    "amazon 2018 ratings": Case(
        PAIRS, {"All_Beauty.csv": "0143026860,A1V6B6TNIC10QE,1.0,1424304000\n0143026860,A2F5GHSXFQ0W6J,4.0,1418860800"
                "\nB00W259T7G,A1572GUYS7DGSR,4.0,1407628800\n"},
        {"train": [("A1V6B6TNIC10QE", "0143026860"), ("A2F5GHSXFQ0W6J", "0143026860"),
                   ("A1572GUYS7DGSR", "B00W259T7G")]},
        ("the item stands first",), "All_Beauty.csv",
    ),
    "amazon 2023 reviews": Case(
        PAIRS, {"All_Beauty.jsonl": REVIEWS_2023}, {"train": [("AGKHLEW2SOWHNMFQIJGBECAF7INQ", "B00YQ6X8E1")]},
        ("item = parent_asin", "time = timestamp"), "All_Beauty.jsonl",
    ),
    "amazon 2023 split": Case(
        PAIRS,
        {f"All_Beauty.{part}.csv": f"user_id,parent_asin,rating,timestamp,history\nAE{n},B0{n},5.0,158868772892{n},\n"
         for n, part in enumerate(("train", "valid", "test"))},
        {"train": [("AE0", "B00")], "valid": [("AE1", "B01")], "test": [("AE2", "B02")]},
    ),
    "online retail": Case(
        PAIRS, {"OnlineRetail.csv": RETAIL}, {"train": [("17850", "85123A"), ("17850", "71053")]},
        ("Online Retail", "1 rows without a customer dropped", "2 rows of returns dropped", "month first"),
        "OnlineRetail.csv",
    ),
    "recbole pairs": Case(
        PAIRS,
        {"ml.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t007\t4\t964982703\n",
         "ml.item": "item_id:token\tname:token_seq\n007\ta b\n", "ml.user": "user_id:token\tage:token\n1\t24\n",
         "ml.kg": "head_id:token\trelation_id:token\ttail_id:token\nm.1\tfilm\tm.2\n",
         "ml.link": "item_id:token\tentity_id:token\n007\tm.1\n"},
        {"train": [("1", "007")]}, ("not used: ml.kg, ml.link",),
    ),
    "recbole triples": Case(
        TRIPLES,
        {"ml.inter": "user_id:token\titem_id:token\n1\t007\n",
         "ml.kg": "head_id:token\trelation_id:token\ttail_id:token\nm.1\tfilm\tm.2\n"},
        {"train": [("m.1", "film", "m.2")]}, ("not used: ml.inter",),
    ),
    "recbole friends": Case(
        EDGES,
        {"lf.inter": "user_id:token\titem_id:token\n1\t007\n",
         "lf.net": "source_id:token\ttarget_id:token\n2\t275\n2\t428\n"},
        {"train": [("2", "275"), ("2", "428")]},
    ),
    "recbole parts": Case(
        PAIRS,
        {f"ml.{part}.inter": f"user_id:token\titem_id:token\n1\t{part}\n" for part in ("train", "valid", "test")},
        {"train": [("1", "train")], "valid": [("1", "valid")], "test": [("1", "test")]},
    ),
    "gowalla": Case(
        PAIRS,
        {"loc-gowalla_totalCheckins.txt.gz": "0\t2010-10-19T23:55:27Z\t30.2359091167\t-97.7951395833\t22847\n"
         "0\t2010-10-18T22:17:43Z\t30.2691029532\t-97.7493953705\t420315\n"},
        {"train": [("0", "22847"), ("0", "420315")]}, ("check-ins of SNAP", "time = time"),
        "loc-gowalla_totalCheckins.txt.gz",
    ),
    "foursquare": Case(
        PAIRS,
        {"dataset_TSMC2014_NYC.txt": "470\t49bbd6c0f964a520f4531fe3\t4bf58dd8\tArts & Crafts Store\t40.71981038\t"
         "-74.00258103\t-240\tTue Apr 03 18:00:09 +0000 2012\n".encode("latin-1")
         + "979\t4a43c0aef964a520c6a61fe3\t4bf58dd9\tCaf\xe9\t40.6\t-74.0\t-240\tTue Apr 03 18:00:25 +0000 2012\n"
         .encode("latin-1")},
        {"train": [("470", "49bbd6c0f964a520f4531fe3"), ("979", "4a43c0aef964a520c6a61fe3")]},
        ("check-ins of Foursquare",), "dataset_TSMC2014_NYC.txt",
    ),
    "last.fm hetrec": Case(
        PAIRS,
        {"user_artists.dat": "userID\tartistID\tweight\n2\t51\t13883\n2\t52\t11690\n", "artists.dat": "id\tname\n",
         "user_friends.dat": "userID\tfriendID\n2\t275\n"},
        {"train": [("2", "51"), ("2", "52")]}, ("HetRec",),
    ),
    "last.fm 360k": Case(
        PAIRS,
        {"usersha1-artmbid-artname-plays.tsv": "00000c28\t3bd73256\tbetty blowtorch\t2137\n"
         "00000c28\t\tdie \"Ärzte\t1099\n00000c29\tf1b1cf71\t\t897\n"},
        {"train": [("00000c28", "betty blowtorch"), ("00000c28", 'die "Ärzte')]},
        ("the artist's name", "1 rows without an artist's name dropped"), "usersha1-artmbid-artname-plays.tsv",
    ),
    "book-crossing": Case(
        PAIRS,
        {"BX-Book-Ratings.csv": '"User-ID";"ISBN";"Book-Rating"\n"276725";"034545104X";"0"\n"276726";"0155061224";'
         '"5"\n"276727";"\xdc446520802";"0"\n'.encode("latin-1"),
         "BX-Books.csv": b'"ISBN";"Book-Title"\n', "BX-Users.csv": b'"User-ID"\n'},
        {"train": [("276725", "034545104X"), ("276726", "0155061224"), ("276727", "Ü446520802")]}, ("Book-Crossing",),
    ),
    "openke": Case(
        TRIPLES, OPENKE,
        {"train": [("/m/027rn", "/people/born_in", "New York"), ("New York", "/loc/has", "/m/05b4w"),
                   ("/m/05b4w", "/people/born_in", "/m/027rn")],
         "valid": [("/m/027rn", "/loc/has", "/m/05b4w")], "test": [("New York", "/people/born_in", "/m/027rn")]},
        ("OpenKE, 3 lines 'head tail relation'",),
    ),
    "openke without names": Case(
        TRIPLES, {"train2id.txt": OPENKE["train2id.txt"]},
        {"train": [("0", "0", "1"), ("1", "1", "2"), ("2", "0", "0")]}, ("without names",),
    ),
    "n-triples": Case(TRIPLES, {"a.nt": NT}, {"train": NT_ROWS}, ("2 statements skipped",), "a.nt"),
    "n-triples by content": Case(TRIPLES, {"dump.txt.gz": NT}, {"train": NT_ROWS}, ("N-Triples",), "dump.txt.gz"),
    "n-quads": Case(
        TRIPLES, {"a.nq": "<s:a> <p:b> <o:c> <g:1> .\n<s:a> <p:b> <o:d> .\n"},
        {"train": [("s:a", "p:b", "o:c"), ("s:a", "p:b", "o:d")]}, ("1 statements name is not used",), "a.nq",
    ),
    "codex": Case(
        TRIPLES,
        {f"triples/codex-s/{part}.txt": f"Q1\tP1\tQ{n}\n"
         for n, part in enumerate(("train", "valid", "test", "valid_negatives", "test_negatives"))},
        {part: [("Q1", "P1", f"Q{n}")]
         for n, part in enumerate(("train", "valid", "test", "valid_negatives", "test_negatives"))},
        ("CoDEx, with train, valid, test",),
    ),
    "wn18rr": Case(
        TRIPLES,
        {"train.txt": "00260881\t_hypernym\t00260622\n", "valid.txt": "1\t_has_part\t2\n", "test.txt": "2\t_s\t1\n",
         "entity2text.txt": "1\ta\n", "relations.dict": "0\t_hypernym\n"},
        {"train": [("00260881", "_hypernym", "00260622")], "valid": [("1", "_has_part", "2")],
         "test": [("2", "_s", "1")]},
    ),
    "fb15k": Case(
        TRIPLES,
        {f"freebase_mtr100_mte100-{part}.txt": f"/m/1\t/film/{part}\t/m/2\n" for part in ("train", "valid", "test")},
        {part: [("/m/1", f"/film/{part}", "/m/2")] for part in ("train", "valid", "test")},
    ),
    "snap": Case(
        EDGES, {"web.txt": SNAP}, {"train": SNAP_ROWS}, ("have a direction", "source = FromNodeId"), "web.txt"
    ),
    "snap, cut": Case(
        EDGES, {"web.txt": SNAP.replace("Edges: 3", "Edges: 5105039")}, {"train": SNAP_ROWS},
        ("say 5,105,039 edges, 3 follow; it may be cut off",), "web.txt",
    ),
    "matrix market, symmetric": Case(
        EDGES, {"a.mtx": MTX},
        {"train": [("2", "1"), ("3", "1"), ("4", "3"), ("1", "2"), ("1", "3"), ("3", "4")]},
        ("symmetric, 4 × 4, 3 entries; each stands for both directions",), "a.mtx",
    ),
    "matrix market, users": Case(
        PAIRS, {"a.mtx": "%%MatrixMarket matrix coordinate real general\n2 3 3\n1 3 4.5\n2 1 0\n  2   2  1e0\n"},
        {"train": [("1", "3"), ("2", "2")]}, ("1 entries of zero skipped",), "a.mtx",
    ),
    "ogb, nodes": Case(
        EDGES,
        {"raw/edge.csv.gz": "0,1\n1,2\n2,0\n", "raw/num-node-list.csv.gz": "3\n", "raw/num-edge-list.csv.gz": "3\n",
         "split/time/train.csv.gz": "0\n", "split/time/valid.csv.gz": "1\n", "split/time/test.csv.gz": "2\n"},
        {"train": SQUARE}, ("all edges, its split is one of nodes",),
    ),
    "ogb, links": Case(
        EDGES,
        {"raw/edge.csv.gz": "0,1\n",
         "split/time/train.pt": saved({"edge": np.array([[0, 1], [1, 2], [2, 0]]), "weight": np.array([1, 1, 2])}),
         "split/time/valid.pt": saved({"edge": torch.tensor([[0, 3], [1, 3], [2, 3]]), "edge_neg": torch.ones(1, 2)}),
         "split/time/test.pt": saved({"edge": torch.tensor([[3, 0], [3, 1], [3, 2]])})},
        {"train": SQUARE, "valid": [("0", "3"), ("1", "3"), ("2", "3")],
         "test": [("3", "0"), ("3", "1"), ("3", "2")]},
        ("edges of its split: train, valid, test",),
    ),
    "ogb, citations": Case(
        EDGES,
        {"split/time/train.pt": saved({"source_node": np.array([0, 1, 2]), "target_node": np.array([1, 2, 0])}),
         "raw/edge.csv.gz": "0,1\n"},
        {"train": SQUARE},
    ),
    "torch tensor": Case(EDGES, {"e.pt": saved(torch.tensor(INDEX))}, {"train": SQUARE}, ("(2, 3)",), "e.pt"),
    "torch dictionary": Case(
        EDGES, {"e.pt": saved({"x": torch.ones(3, 4), "edge_index": torch.tensor(INDEX), "num_nodes": 3})},
        {"train": SQUARE}, ("not used: x",), "e.pt",
    ),
    "torch parts": Case(
        EDGES,
        {"e.pt": saved({"train_pos_edge_index": torch.tensor(INDEX), "test_pos_edge_index": torch.tensor([[0], [2]]),
                        "test_neg_edge_index": torch.tensor([[1], [1]])})},
        {"train": SQUARE, "test": [("0", "2")]}, (), "e.pt",
    ),
    "npy, lying": Case(EDGES, {"e.npy": array(INDEX)}, {"train": SQUARE}, ("(2, 3)",), "e.npy"),
    "npy, standing": Case(EDGES, {"e.npy": array(SQUARE, "i4")}, {"train": SQUARE}, (), "e.npy"),
    "npy, two by two": Case(
        EDGES, {"e.npy": array([[0, 1], [2, 3]])}, {"train": [("0", "2"), ("1", "3")]},
        ("its rows are taken as source and target",), "e.npy",
    ),
    "npy, triples": Case(TRIPLES, {"e.npy": array([[0, 1, 2], [2, 1, 3], [4, 0, 1], [1, 1, 1]], "f8")},
                         {"train": [("0", "1", "2"), ("2", "1", "3"), ("4", "0", "1"), ("1", "1", "1")]}, (), "e.npy"),
    "npz, scipy": Case(
        EDGES, {"e.npz": matrix([[0, 1, 0], [0, 0, 1], [1, 0, 0]])}, {"train": SQUARE}, ("sparse matrix",), "e.npz"
    ),
    "npz, columns": Case(PAIRS, {"e.npz": arrays(user=["a", "b"], item=[7, 9])},
                         {"train": [("a", "7"), ("b", "9")]}, ("arrays user, item",), "e.npz"),
    "npz, parts": Case(EDGES, {"e.npz": arrays(train_edges=SQUARE, val_edges=[[1, 0]], test_edges=[[0, 2]],
                                               test_edges_neg=[[1, 1]])},
                       {"train": SQUARE, "valid": [("1", "0")], "test": [("0", "2")]}, (), "e.npz"),
    "arrays beside pairs": Case(
        PAIRS, {"clicks.csv": "user,item\n1,2\n", "vectors.npy": array(INDEX), "model.pt": saved({"w": torch.ones(2)})},
        {"train": [("1", "2")]},
    ),
    "parts as arrays": Case(
        EDGES, {"train.npy": array(INDEX), "test.npy": array([[0], [2]])}, {"train": SQUARE, "test": [("0", "2")]}
    ),
    "adjacency": Case(
        EDGES, {"a.adjlist": "#/usr/bin/python\n# GMT Tue\n#\n0 1 2\n1 2\n2\n"},
        {"train": [("0", "1"), ("0", "2"), ("1", "2")]}, ("1 lines with a source alone skipped",), "a.adjlist",
        Options(format="adjacency"),
    ),
    "right-aligned": Case(
        EDGES, {"e.txt": "    1    2\n   10    2\n  100   10\n"}, {"train": [("1", "2"), ("10", "2"), ("100", "10")]},
        (), "e.txt",
    ),
}  # fmt: skip


HUGE = np.lib.format.header_data_from_array_1_0(np.zeros(1, "i8")) | {"shape": (2, 10**12)}


def promising() -> bytes:
    """A header of 16 TB, and three numbers."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, HUGE)  # type: ignore[arg-type]
    return file.getvalue() + b"\0" * 24


FAULTS: dict[str, Fault] = {
    "movielens, cut": Fault(PAIRS, {"u.data": ML100K + "22\t\t1\t878887116\n"}, "u.data", 4, "empty or missing item"),
    "movielens, folds": Fault(PAIRS, {"u1.base": ML100K, "u2.base": ML100K, "u1.test": ML100K}, "", None, "which fold"),
    "yelp": Fault(
        PAIRS, {"review.json": YELP + '{"user_id": "x"', "business.json": "{}"}, "review.json", 3, "not JSON"
    ),
    "amazon": Fault(
        PAIRS, {"A.csv": "0143026860,A1V6B6TNIC10QE,1.0,1424304000\n" * 9 + ",A2F5GHSXFQ0W6J,4.0,1418860800\n"},
        "A.csv", 10, "empty or missing item", "A.csv",
    ),
    "retail": Fault(
        PAIRS, {"a.csv": RETAIL + "536381,,RETRO,3,12/1/2010 9:41,4.25,15311,UK\n"}, "a.csv", 7,
        "empty or missing item (StockCode)", "a.csv",
    ),
    "recbole": Fault(
        PAIRS, {"a.inter": "user_id:token\titem_id:token\n1\t2\n", "b.inter": "user_id:token\titem_id:token\n1\t2\n"},
        "", None, "which file is to be read? there are a.inter, b.inter",
    ),
    "recbole without triples": Fault(
        TRIPLES, {"a.inter": "user_id:token\titem_id:token\n1\t2\n"}, "", None, "the folder has no file .kg"
    ),
    "openke, count": Fault(
        TRIPLES, OPENKE | {"train2id.txt": "1000000000000\n0 1 0\n"}, "train2id.txt", 1,
        "the count is 1,000,000,000,000 but 1 triples follow",
    ),
    "openke, cut": Fault(TRIPLES, OPENKE | {"test2id.txt": "2\n0 1 0\n1 2"}, "test2id.txt", 3, "2 numbers where"),
    "openke, no count": Fault(TRIPLES, {"train2id.txt": "0 1 0\n1 2 0\n"}, "train2id.txt", 1, "where a count is"),
    "openke, range": Fault(
        TRIPLES, OPENKE | {"valid2id.txt": "2\n0 2 1\n0 3 1\n"}, "valid2id.txt", 3, "entity 3 is beyond the 3"
    ),
    "openke, names": Fault(
        TRIPLES, OPENKE | {"entity2id.txt": "3\na 0\nb 1\na 2\n"}, "entity2id.txt", 1, "do not match one to one"
    ),
    "n-triples, cut": Fault(TRIPLES, {"a.nt": NT + "<http://x.org/A> <http://x"}, "a.nt", 7, "is no statement", "a.nt"),
    "n-triples, literals": Fault(TRIPLES, {"a.nt": '<s:a> <p:b> "c" .\n'}, "a.nt", 1, "no statement between", "a.nt"),
    "turtle": Fault(TRIPLES, {"a.ttl": "@prefix x: <http://x.org/> .\n"}, "a.ttl", 1, "Turtle is not read", "a.ttl"),
    "turtle by content": Fault(
        TRIPLES, {"a.txt": "# by hand\n@prefix x: <http://x.org/> .\nx:a x:b x:c .\n"}, "a.txt", None,
        "Turtle is not read", "a.txt",
    ),
    "codex": Fault(
        TRIPLES, {"triples/codex-s/train.txt": "a\tb\tc\n", "triples/codex-m/train.txt": "a\tb\tc\n"}, "", None,
        "which size of CoDEx? there are codex-m, codex-s",
    ),
    "mtx, count": Fault(
        EDGES, {"a.mtx": MTX.replace("4 4 3", "4 4 1000000000000")}, "a.mtx", 3, "3 follow", "a.mtx"
    ),
    "mtx, more": Fault(EDGES, {"a.mtx": MTX.replace("4 4 3", "4 4 2")}, "a.mtx", 6, "more than the 2", "a.mtx"),
    "mtx, from zero": Fault(EDGES, {"a.mtx": MTX.replace("3 1", "0 1")}, "a.mtx", 5, "counted from 1", "a.mtx"),
    "mtx, dense": Fault(
        EDGES, {"a.mtx": "%%MatrixMarket matrix array real general\n2 2\n1\n"}, "a.mtx", 1, "is not read", "a.mtx"
    ),
    "mtx, two kinds": Fault(
        EDGES, {"a.mtx": "%%MatrixMarket matrix coordinate pattern general\n2 3 1\n1 3\n"}, "a.mtx", 2,
        "no graph of one kind", "a.mtx",
    ),
    "mtx, no size": Fault(
        EDGES, {"a.mtx": "%%MatrixMarket matrix coordinate pattern general\n"}, "a.mtx", 1, "no size line", "a.mtx"
    ),
    "ogb, cut": Fault(
        EDGES, {"raw/edge.csv.gz": "0,1\n1,2\n", "raw/num-edge-list.csv.gz": "3\n"}, "edge.csv.gz", 2,
        "2 edges, where num-edge-list.csv.gz says 3",
    ),
    "ogb, range": Fault(
        EDGES, {"raw/edge.csv.gz": "0,1\n1,9\n", "raw/num-node-list.csv.gz": "3\n"}, "edge.csv.gz", 2,
        "node 9 is beyond the 3",
    ),
    "torch, an object": Fault(EDGES, {"e.pt": saved(Path("x"))}, "e.pt", None, "only code could restore", "e.pt"),
    "torch, cut": Fault(EDGES, {"e.pt": saved(torch.tensor(INDEX))[:-300]}, "e.pt", None, "torch.save", "e.pt"),
    "torch, no file": Fault(EDGES, {"e.pt": b"hello, this is text\n"}, "e.pt", None, "no file of torch.save", "e.pt"),
    "torch, repeated": Fault(
        EDGES, {"e.pt": saved(torch.zeros(1, 1).expand(2, 10**12))}, "e.pt", None, "repeats one number", "e.pt"
    ),
    "npy, cut": Fault(EDGES, {"e.npy": array(INDEX)[:-8]}, "e.npy", None, "promises 48 bytes, 40 follow", "e.npy"),
    "npy, promises": Fault(EDGES, {"e.npy": promising()}, "e.npy", None, "24 follow", "e.npy"),
    "npy, packed promises": Fault(EDGES, {"e.npy.gz": promising()}, "e.npy.gz", None, "24 follow", "e.npy.gz"),
    "npy, no array": Fault(
        EDGES, {"e.npy": b"\x93NUMPY\x01\0\x10\0((((((((((((((((\n"}, "e.npy", None, "no array", "e.npy"
    ),
    "npy, objects": Fault(EDGES, {"e.npy": array([["a", 1], ["b", 2]], "O")}, "e.npy", None, "not read", "e.npy"),
    "npy, shape": Fault(EDGES, {"e.npy": array([1, 2, 3])}, "e.npy", None, "(3,)", "e.npy"),
    "npz, cut": Fault(EDGES, {"e.npz": arrays(edge_index=INDEX)[:-30]}, "e.npz", None, "", "e.npz"),
    "npz, sparse": Fault(
        EDGES, {"e.npz": arrays(format=b"csr", shape=[2, 2], data=[1], indices=[7], indptr=[0, 1, 1])}, "e.npz", None,
        "broken sparse matrix", "e.npz",
    ),
}  # fmt: skip
