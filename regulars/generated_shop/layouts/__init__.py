"""How each system of the generated shop writes what it knows, one module a kind of system."""
