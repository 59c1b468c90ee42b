"""Verbs on the tables, each a function of a transaction."""
