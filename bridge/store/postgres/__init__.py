"""The engine for one PostgreSQL server and any number of nodes. `serve` does not run on it yet."""
