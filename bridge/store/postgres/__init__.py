"""The engine for one PostgreSQL server and any number of nodes."""
