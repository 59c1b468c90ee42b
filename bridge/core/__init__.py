"""What every other part may use: the nouns, errors, the log, JSON. Nothing here does I/O, save the log."""
