"""The statements that read and change each table."""
