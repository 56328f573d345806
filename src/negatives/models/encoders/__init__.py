"""Encoders of texts: a query and a document share one tower."""
