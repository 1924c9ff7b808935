"""``runt run``: a prompt at any kernel. Loaded by that verb alone."""
