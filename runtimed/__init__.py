"""runtimed: the per-user service that keeps a person's REPLs alive."""

__version__ = "0.1.0"
