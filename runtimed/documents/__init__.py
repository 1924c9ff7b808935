"""Notebooks as files: nbformat and jupytext are loaded here, at first use, and nowhere else."""
