"""A generator of an omnichannel seller of English books and courses, with the truth beside it."""
