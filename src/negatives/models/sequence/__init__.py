"""Models of sequences: what comes next after what a query has gone with, in order."""
