"""Questions of people: lists, and one thing in full."""
