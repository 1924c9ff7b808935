"""The child of grep.py: a pattern and lines on stdin, the matching indices on stdout, as JSON.

A string instead says what is wrong with the pattern. A script of its own, and stdlib only: it has
to start quickly.
"""

from __future__ import annotations

import json
import re
import sys


def main() -> None:
    """Answer one request."""
    text, lines = json.load(sys.stdin.buffer)
    answer: list[int] | str
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        answer = str(error)
    else:
        answer = [index for index, line in enumerate(lines) if pattern.search(line)]
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
