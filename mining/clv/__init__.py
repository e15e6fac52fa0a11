"""Customer lifetime value: when customers buy again, and for how much. Arrays in, arrays out."""
