"""Settings of all tests."""

import os

from hypothesis import settings

from models import fetch

# Machines differ in speed: no example may fail for its time; and every run tries the same examples.
settings.register_profile("ditbench", deadline=None, derandomize=True)
settings.load_profile("ditbench")

# Nothing is fetched from outside, with a network or without: https goes to a port where nobody listens.
os.environ["https_proxy"] = "http://127.0.0.1:9"
fetch.PAUSE = 0.0
