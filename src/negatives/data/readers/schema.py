"""What a task wants to know of a row: roles that columns may play, and the names under which people write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["id", "text", "texts", "number", "time", "labels"]


@dataclass(frozen=True, slots=True)
class Role:
    """One thing that a row says.

    Args:
        name: As options name it, for instance ``user``.
        kind: What its values are: names to be numbered, a text, several texts, numbers, times, or several labels.
        names: Column names by which it is known, plain (:func:`plain`), the likeliest first.
        needed: Whether a row is none without it.
        several: Whether a list of ids stands for as many rows.
        guess: Whether a column without a known name may be taken for it.
        blank: Whether a cell may be empty where the table has the column; None for what is usual: no name, no time
            and nothing that is needed may.
        words: Words that stand for numbers, in lower case.
    """

    name: str
    kind: Kind
    names: tuple[str, ...]
    needed: bool = True
    several: bool = False
    guess: bool = True
    blank: bool | None = None
    words: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """The roles of a task's rows.

    Args:
        what: What a row holds, for messages, for instance ``pair``.
        roles: Roles in the order in which columns without names are taken for them.
        example: How a line looks, for hints.
        comments: Whether lines that begin with ``#``, ``%`` or ``//`` are comments wherever they stand.
        lines: Whether the line of each row is kept, for faults that show only when parts are put together.
        layouts: Names of the columns that published files without a header have, by their number.
        ragged: Whether a line may have more columns than the first, which are left out.
        second: Whether rows of another schema are the same, so that these are taken only where they are asked for.
        sides: Of what a folder may hold tables of their own beside the rows: ``item``, ``user``.
    """

    what: str
    roles: tuple[Role, ...]
    example: str
    comments: bool = False
    lines: bool = False
    layouts: tuple[tuple[str, ...], ...] = ()
    ragged: bool = False
    second: bool = False
    sides: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Role]:
        return iter(self.roles)

    def __contains__(self, name: str) -> bool:
        return any(role.name == name for role in self.roles)

    @property
    def needed(self) -> tuple[Role, ...]:
        """Roles without which a row is none."""
        return tuple(role for role in self.roles if role.needed)

    @property
    def known(self) -> frozenset[str]:
        """All plain names by which some role is known."""
        return frozenset(name for role in self.roles for name in role.names)


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller says about the data; what is left out is found, and told in the notes.

    Args:
        columns: Column by role. Without a header columns are called ``column_1``, ``column_2``, ...
        format: Name of a reader, where the choice by name and content is wrong.
        separator: What stands between the columns of a text.
        header: Whether the first line names the columns.
        encoding: Of text that is not UTF-8.
        missing: ``error`` refuses rows without a value that they need, ``drop`` drops and counts them.
        min_rating: Rows with a smaller rating are left out.
        events: Events that count, with their weight each or None; rows with other ones are left out.
        time_format: How times are written, as ``strptime`` has it.
        shown: Events that say that an item was shown and not taken; such rows are given negatives.
        dislike: Rows with this rating or a smaller one are given negatives; None for none.
        tables: Path of the table of a side, ``item`` or ``user``, where it is not found by its name.
        kinds: Kind by column of such a table, by side, where the choice by name and content is wrong.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    separator: str | None = None
    header: bool | None = None
    encoding: str | None = None
    missing: str = "error"
    min_rating: float | None = None
    events: Mapping[str, float | None] = field(default_factory=dict)
    time_format: str | None = None
    shown: frozenset[str] = frozenset()
    dislike: float | None = None
    tables: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def plain(column: str) -> str:
    """Column name without its RecBole type, case and punctuation.

    >>> plain("User_ID:token"), plain("Müller-Nr.")
    ('userid', 'müllernr')
    """
    head, _, kind = column.partition(":")
    name = head if kind in ("token", "float", "token_seq", "float_seq") else column
    return re.sub(r"[\W_]", "", name.lower())


TIME = Role(
    "time", "time",
    ("timestamp", "time", "datetime", "date", "unixreviewtime", "ts", "createdat", "eventtime", "invoicedate",
     "reviewtime", "orderdate", "timestampms", "eventtimestamp", "visittime", "day", "when", "datum", "zeit"),
    needed=False,
)  # fmt: skip
YES = (("true", 1.0), ("yes", 1.0), ("false", 0.0), ("no", 0.0))
PAIRS = Schema(
    "pair",
    (
        Role("user", "id", (
            "user", "userid", "uid", "query", "queryid", "visitor", "visitorid", "customer", "customerid", "session",
            "sessionid", "reviewerid", "userindex", "username", "account", "accountid", "client", "clientid", "member",
            "memberid", "buyer", "buyerid", "person", "personid", "playlist", "playlistid", "pid", "author", "authorid",
            "basket", "basketid", "reader", "readerid", "listener", "user1", "kunde", "kundennummer", "kundennr",
        )),
        Role("item", "id", (
            "item", "itemid", "items", "itemids", "iid", "movie", "movieid", "product", "productid", "parentasin",
            "asin", "business", "businessid", "track", "trackid", "song", "songid", "artist", "artistid", "book",
            "bookid", "isbn", "article", "articleid", "news", "newsid", "doc", "document", "documentid", "venueid",
            "poi", "place", "placeid", "location", "locationid", "itemindex", "target", "stockcode", "sku", "gameid",
            "game", "video", "videoid", "recipeid", "anime", "animeid", "productcode", "itemcode", "ean", "gtin",
            "artikel",
            "artikelnummer", "artikelnr", "produkt",
        ), several=True),
        TIME,
        Role("rating", "number", (
            "rating", "ratings", "score", "stars", "overall", "label", "preference", "reviewrating",
        ), needed=False),
        Role("weight", "number", (), needed=False, guess=False),
        Role("group", "id", (), needed=False, guess=False),
        Role("event", "id", (
            "event", "eventtype", "behavior", "behaviortype", "behaviour", "action", "actiontype", "interaction",
            "interactiontype", "type",
        ), needed=False, guess=False),
        Role("given", "number", (), needed=False, guess=False, words=YES),
    ),
    "a user and an item, divided by a comma or a tab",
    sides=("item", "user"),
)  # fmt: skip
HISTORIES = replace(PAIRS, second=True)
"""The same rows, whose order matters."""
ITEMS, USERS = (
    Schema(
        what,
        (Role(what, "id", (what, "id", *PAIRS.roles[place].names)),),
        f"a line of column names, then one {what} a line",
    )
    for place, what in ((1, "item"), (0, "user"))
)
"""Tables that say something of the items and the users of pairs: one column of names, and any others."""
HEAD, RELATION, TAIL = "head", "relation", "tail"
TRIPLES = Schema(
    "triple",
    (
        Role(HEAD, "id", ("head", "h", "subject", "subj", "source", "from", "headid", "sourceid", "subjectid", "start",
                          "headentity", "entity1", "node1", "xid", "xname")),
        Role(RELATION, "id", ("relation", "r", "rel", "predicate", "pred", "edge", "property", "relationid",
                              "predicateid", "relationship", "label", "type", "edgetype")),
        Role(TAIL, "id", ("tail", "t", "object", "obj", "target", "to", "tailid", "targetid", "objectid", "end",
                          "tailentity", "entity2", "node2", "yid", "yname")),
    ),
    "head, relation and tail, divided by a tab or a comma",
)  # fmt: skip
EDGES = Schema(
    "edge",
    (
        Role("source", "id", ("source", "src", "from", "u", "head", "node1", "id1", "a", "sourceid", "fromnodeid",
                              "start", "srcid", "nodea", "citing", "follower", "i")),
        Role("target", "id", ("target", "dst", "to", "v", "tail", "node2", "id2", "b", "targetid", "tonodeid", "end",
                              "destination", "dstid", "nodeb", "cited", "followee", "j")),
    ),
    "'u v', separated by a blank, a tab or a comma",
    comments=True,
    lines=True,
)  # fmt: skip
TEXT_NAMES = ("text", "content", "sentence", "document", "doc", "body", "abstract", "title", "query", "utterance")
LABELLED = Schema(
    "row",
    (
        Role("text", "text", TEXT_NAMES),
        Role("labels", "labels", ("labels", "label", "tags", "tag", "categories", "category", "classes", "class",
                                  "intent", "target", "topics", "topic", "genres", "genre", "targetind"), blank=True),
        Role("group", "id", (), needed=False, guess=False),
    ),
    "a text and its labels, under a line of column names",
)  # fmt: skip
ENTAILED = (("entailment", 1.0), ("neutral", 0.5), ("contradiction", 0.0), ("-", -1.0), ("true", 1.0), ("false", 0.0))
"""What the labels of inference are worth as similarity, as Sentence Transformers has it; a dash is no agreement."""
QUERY_NAMES = ("anchor", "query", "question", "sentence1", "premise", "q", "instruction", "messages", "source")
POSITIVE_NAMES = ("positive", "pos", "positives", "positivemessages", "document", "passage", "answer", "response",
                  "sentence2", "hypothesis", "text", "answers", "target")  # fmt: skip
NEGATIVE_NAMES = ("negative", "neg", "negatives", "negativemessages", "hardnegative", "hardnegatives",
                  "rejectedresponse")  # fmt: skip
STS = ("genre", "file", "year", "number", "score", "sentence1", "sentence2")
SCORED = Schema(
    "pair",
    (
        Role("sentence1", "text", ("sentence1", "text1", "left", "a", "premise", "s1", "question1", "sentencea",
                                   "1string", *QUERY_NAMES), blank=True),
        Role("sentence2", "texts", ("sentence2", "text2", "right", "b", "hypothesis", "s2", "question2", "sentenceb",
                                    "2string", *POSITIVE_NAMES), blank=True),
        Role("score", "number", ("score", "similarity", "similarityscore", "label", "relatednessscore", "gold",
                                 "goldlabel", "isduplicate", "quality"), needed=False, guess=False, blank=False,
             words=ENTAILED),
        Role("negative", "texts", NEGATIVE_NAMES, needed=False, guess=False, blank=True),
    ),
    "two sentences and a score",
    lines=True,
    layouts=(STS, (*STS, "source1", "source2"), ("sentence1", "sentence2", "score")),
    ragged=True,
)  # fmt: skip
DOCUMENTS = Schema(
    "text",
    (
        Role("id", "id", ("id", "docid", "documentid", "pid", "qid", "queryid", "passageid", "corpusid"), needed=False,
             guess=False),
        Role("text", "text", (*TEXT_NAMES, "passage", "contents", "question"), blank=True),
        Role("title", "text", ("title", "name", "headline"), needed=False, guess=False, blank=True),
    ),
    "an id and a text",
    lines=True,
    layouts=(("id", "text"), ("id", "text", "title"), ("id", "url", "title", "text")),
)  # fmt: skip
JUDGED = Schema(
    "judgement",
    (
        Role("query", "id", ("query", "queryid", "qid", "topic")),
        Role("document", "id", ("corpusid", "docid", "document", "documentid", "pid", "doc", "passageid", "item")),
        Role("grade", "number", ("score", "grade", "relevance", "label", "rel"), needed=False, blank=False),
    ),
    "query, document and grade with tabs between",
    lines=True,
    layouts=(("query", "document", "grade"), ("query", "iteration", "document", "grade")),
)  # fmt: skip
QUESTIONS = Schema(
    "pair",
    (
        Role("query", "text", QUERY_NAMES, blank=True),
        Role("positive", "texts", POSITIVE_NAMES, blank=True),
        Role("negative", "texts", NEGATIVE_NAMES, needed=False, guess=False, blank=True),
        Role("grade", "number", ("label", "grade", "relevance"), needed=False, guess=False, blank=False),
        Role("labels", "texts", ("labels",), needed=False, guess=False, blank=True),
    ),
    "a query and a text that answers it",
    lines=True,
    layouts=(("query", "positive", "negative"),),
)  # fmt: skip
LINES = Schema("text", (Role("text", "text", TEXT_NAMES),), "a text")
