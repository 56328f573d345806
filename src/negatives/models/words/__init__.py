"""Word vectors: two tables, words as inputs and words as outputs."""
