"""How fast Regulars is, beside the same tables made by hand-written SQL."""
