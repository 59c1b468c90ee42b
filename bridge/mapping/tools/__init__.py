"""What authors of mappings use: examples, traces, comparisons."""
