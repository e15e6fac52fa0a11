"""The face of Regulars: the command line and its settings."""
