"""Doors: from bytes on a socket to a handler and back. No domain logic."""
