"""Delivers by a destination file: `declared` is the kind of destination, the others are its parts. Pure."""
