"""The connection of a role, its transactions, and the errors of the server."""
