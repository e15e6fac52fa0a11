"""Data mining over the star schema: pure functions, tables in, tables out."""
