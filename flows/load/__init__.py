"""Load: landing files and their mappings in, raw tables out."""
