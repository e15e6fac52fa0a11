"""The movement of data: load, build, mine, check, publish; the order of things."""
