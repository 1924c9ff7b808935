"""``python -m runtimed.keeper``: the same as ``runtimed keeper``."""

import sys

from runtimed.keeper.main import main

if __name__ == "__main__":
    sys.exit(main())
