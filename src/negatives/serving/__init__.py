"""Finished runs at work: questions from any table answered into any table, and a server with a search page."""
