"""What a task wants to know of a row: roles that columns may play, and the names under which people write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["id", "text", "number", "time", "labels"]


@dataclass(frozen=True, slots=True)
class Role:
    """One thing that a row says.

    Args:
        name: As options name it, for instance ``user``.
        kind: What its values are: names to be numbered, texts, numbers, times, or several labels.
        names: Column names by which it is known, plain (:func:`plain`), the likeliest first.
        needed: Whether a row is none without it.
        several: Whether a list of ids stands for as many rows.
        guess: Whether a column without a known name may be taken for it.
    """

    name: str
    kind: Kind
    names: tuple[str, ...]
    needed: bool = True
    several: bool = False
    guess: bool = True


@dataclass(frozen=True, slots=True)
class Schema:
    """The roles of a task's rows.

    Args:
        what: What a row holds, for messages, for instance ``pair``.
        roles: Roles in the order in which columns without names are taken for them.
        example: How a line looks, for hints.
        comments: Whether lines that begin with ``#``, ``%`` or ``//`` are comments wherever they stand.
        lines: Whether the line of each row is kept, for faults that show only when parts are put together.
    """

    what: str
    roles: tuple[Role, ...]
    example: str
    comments: bool = False
    lines: bool = False

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
        events: Events that count; rows with other ones are left out.
        time_format: How times are written, as ``strptime`` has it.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    separator: str | None = None
    header: bool | None = None
    encoding: str | None = None
    missing: str = "error"
    min_rating: float | None = None
    events: tuple[str, ...] = ()
    time_format: str | None = None


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
        Role("weight", "number", ("weight",), needed=False, guess=False),
        Role("event", "id", (
            "event", "eventtype", "behavior", "behaviortype", "behaviour", "action", "actiontype", "interaction",
            "interactiontype", "type",
        ), needed=False, guess=False),
    ),
    "a user and an item, divided by a comma or a tab",
)  # fmt: skip
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
                                  "intent", "target", "topics", "topic", "genres", "genre")),
    ),
    "a text and its labels, under a line of column names",
)  # fmt: skip
SCORED = Schema(
    "pair",
    (
        Role("sentence1", "text", ("sentence1", "text1", "left", "anchor", "a", "premise", "s1", "question1", "query")),
        Role("sentence2", "text", ("sentence2", "text2", "right", "positive", "b", "hypothesis", "s2", "question2")),
        Role("score", "number", ("score", "similarity", "similarityscore", "label", "relatednessscore", "gold"),
             guess=False),
    ),
    "two sentences and a score",
)  # fmt: skip
DOCUMENTS = Schema(
    "text",
    (
        Role("id", "id", ("id", "docid", "documentid", "pid", "qid", "queryid", "passageid", "corpusid"), needed=False,
             guess=False),
        Role("text", "text", (*TEXT_NAMES, "passage", "contents", "question")),
        Role("title", "text", ("title", "name", "headline"), needed=False, guess=False),
    ),
    "an id and a text",
)  # fmt: skip
JUDGED = Schema(
    "judgement",
    (
        Role("query", "id", ("query", "queryid", "qid", "topic")),
        Role("document", "id", ("corpusid", "docid", "document", "documentid", "pid", "doc", "passageid", "item")),
        Role("grade", "number", ("score", "grade", "relevance", "label", "rel"), needed=False),
    ),
    "query, document and grade with tabs between",
)  # fmt: skip
QUESTIONS = Schema(
    "pair",
    (
        Role("query", "text", ("anchor", "query", "question", "sentence1", "premise", "q", "instruction", "source")),
        Role("positive", "text", ("positive", "pos", "positives", "document", "passage", "answer", "response",
                                  "sentence2", "hypothesis", "text", "answers", "target"), several=True),
        Role("negative", "text", ("negative", "neg", "negatives", "hardnegative"), needed=False, several=True,
             guess=False),
    ),
    "a query and a text that answers it",
)  # fmt: skip
LINES = Schema("text", (Role("text", "text", TEXT_NAMES),), "a text")
