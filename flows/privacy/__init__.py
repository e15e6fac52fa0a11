"""Personal data: who looked up whom, what is held of a person, and how a person is forgotten."""
