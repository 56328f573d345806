"""Shopping baskets: one part of every kind for ``negatives``, added through entry points."""
