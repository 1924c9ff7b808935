"""The keeper: holds every kernel connection and journals it, whoever else goes away."""
