"""Backups of a store in use, and their restoration."""
