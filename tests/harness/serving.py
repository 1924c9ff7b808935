"""`runt serve` in the state of a test, and requests to it."""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.harness.shell import popen

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.harness.daemon import State


@dataclass
class Serving:
    process: subprocess.Popen[str]
    url: str
    token: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def ask(
        self, verb: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and document of the answer to a request with the token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            given = {"Authorization": f"Bearer {self.token}", **headers}
            if body is not None:
                given["Content-Type"] = "application/json"
                body = json.dumps(body)
            connection.request(verb, path, body, given)
            answer = connection.getresponse()
            text = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, json.loads(text) if text else None
        finally:
            connection.close()


@contextmanager
def serving(state: State, *arguments: str) -> Iterator[Serving]:
    process = popen(state, "serve", "--json", *arguments)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        said = json.loads(line)["serve"]
        token = Path(said["token_file"]).read_text().strip()
        yield Serving(process, said["url"], token)
    finally:
        process.kill()
        process.communicate()
