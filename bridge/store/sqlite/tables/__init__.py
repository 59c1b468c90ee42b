"""What each table holds, and the statements that change it."""
