from hypothesis import settings

# No time is asserted: a busy machine is no failure.
settings.register_profile("regulars", deadline=None)
settings.load_profile("regulars")
