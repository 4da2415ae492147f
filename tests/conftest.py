"""Settings of all tests."""

from hypothesis import settings

# Machines differ in speed: no example may fail for its time; and every run tries the same examples.
settings.register_profile("ditbench", deadline=None, derandomize=True)
settings.load_profile("ditbench")
