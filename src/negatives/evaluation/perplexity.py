"""Figures of a language model: perplexity, and how nearly its scores are normalised."""

FIGURES = ("perplexity", "log_likelihood", "log_z", "log_z_sd")
"""Metrics of a language model."""
