"""Layouts in which data sets are published: each format one file and one row of the table of readers."""
