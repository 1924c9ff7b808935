"""Use cases: one handler a call. No sockets, no JSON."""
