"""Classifiers over sparse features: a tower of the row's features, and a table of labels."""
