"""Run runtimed as ``python -m runtimed``."""

from __future__ import annotations

import sys

from runtimed.main import main

sys.exit(main())
