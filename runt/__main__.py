"""``python -m runt``."""

from __future__ import annotations

import sys

from runt.cli import main

if __name__ == "__main__":
    sys.exit(main())
