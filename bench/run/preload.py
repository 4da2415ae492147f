"""What a run's fork server imports before its first child, so that no child has to.

The server looks for the end of its driver only when its imports are done, and torch's take seconds, on a busy machine
half a minute. So until then the kernel ends it. Ctrl-C is the driver's business.
"""

from __future__ import annotations

import importlib

from bench.host.interrupts import never_hear
from bench.host.parent import ending_with_parent
from bench.run.strays import maker

never_hear()
with ending_with_parent(maker()):
    importlib.import_module("bench.run.worker")
