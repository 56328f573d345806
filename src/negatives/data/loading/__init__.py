"""Load data of one kind from a file, a folder or the offline data, and divide it into parts: one kind a file."""
