"""Customer lifetime value beside `lifetimes`."""
