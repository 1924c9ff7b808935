"""The child of grep.py: on stdin a pattern, then lists of lines; one JSON value in a line each.

On stdout an answer to each: null to a pattern that is one, else a string that says what is wrong
with it; to lines the indices of those that match. A script of its own, and stdlib only: it has to
start quickly.
"""

from __future__ import annotations

import json
import re
import sys


def main() -> None:
    """Answer until stdin ends."""
    questions = sys.stdin.buffer
    try:
        search = re.compile(json.loads(questions.readline())).search
    except (re.error, RecursionError, OverflowError) as error:
        _answer(str(error))
        return
    _answer(None)
    for lines in questions:
        _answer([index for index, line in enumerate(json.loads(lines)) if search(line)])


def _answer(answer: list[int] | str | None) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
