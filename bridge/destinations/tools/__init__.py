"""What a writer and an operator of destination files try them with: examples and dry runs."""
