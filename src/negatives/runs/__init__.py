"""Whole runs above the tasks: build, train, compare, export, and load what was trained."""
