"""Kinds of columns that say something of users and items."""

BAGS = ("category", "list", "text")
KINDS = (*BAGS, "number", "vector")
