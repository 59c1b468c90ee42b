"""How everything stands, as values: the one function behind `trackbridge status` and whatever else shows it."""
