"""The file, its connections, and what SQLite needs around them."""
