"""Data: pairs of queries and items, readers for the formats people have, splits, and an offline dataset."""
