"""The processes of `serve`: a supervisor, its children, and what they share."""
