"""JSON Schemas of mapping files and of their examples, for editors."""
