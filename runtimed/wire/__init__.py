"""Bytes to messages and back: every codec of the project, without any I/O."""
