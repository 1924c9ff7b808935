"""``runt notebook run``: a file run from its first cell to its last, and what came of it kept."""
