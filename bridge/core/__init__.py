"""What every other package may import: the model, errors, the log, JSON. Only the log does I/O here."""
