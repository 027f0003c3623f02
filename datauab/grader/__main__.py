"""``python -m datauab.grader``: the service; with ``--job`` one attempt, in the process that the service starts."""

from __future__ import annotations

import sys

from datauab.grader.service import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
