"""Moves a SQLite store into an empty database of a PostgreSQL server: all rows, under the numbers that they have."""
