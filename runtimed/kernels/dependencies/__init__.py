"""Kernels that come with the packages that somebody names: an environment built once, and kept."""
