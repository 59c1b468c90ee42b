"""Where events are delivered: the promise of a destination, its kinds, and the language of destination files."""
