"""Everything that is kept: the promise of a store (`protocol`), what it shows (`views`), and its engines."""
