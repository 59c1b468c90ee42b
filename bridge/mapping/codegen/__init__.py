"""Python source that is generated for a mapping."""
