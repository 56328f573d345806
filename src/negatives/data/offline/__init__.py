"""The standard library as data: what its sources, signatures and docstrings give to each task."""
