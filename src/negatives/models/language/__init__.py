"""Language models: a tower that reads the prefix, and a table of next words."""
