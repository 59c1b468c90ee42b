"""The SQLite file, its connections, and what they need."""
