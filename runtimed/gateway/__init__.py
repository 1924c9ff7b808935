"""What `runt serve` runs: HTTP from TCP to the daemon's Unix socket, for who has the token.

A foreground process of its own, so that the daemon itself never listens on a network. It knows
nothing of what it carries.
"""
