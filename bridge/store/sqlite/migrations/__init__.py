"""The steps of the schema, one file each; `schema.py` reads them in order and says how to add one."""
