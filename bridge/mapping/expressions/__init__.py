"""The text of an expression: parsed, printed, checked for common mistakes, and the values it works on."""
