"""``runt serve``: the daemon's HTTP on a TCP port, and MCP, for who has the token."""

from __future__ import annotations

import errno
import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from runt import exits, jsonout, session
from runt.commands.mcp.scope import scope_of, scope_options
from runt.failures import ConflictFailure, DeniedFailure, Failure, UsageFailure
from runt.options import json_option, quiet_option
from runtimed.paths import State, UnsafePath, private_dir, socket_path, state_dir

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from typing import Any

    from runtimed.gateway.beside import Application
    from runtimed.gateway.guard import Rules
    from runtimed.mcp.sight import Scope

#: Where MCP's clients find it.
_MCP = "/mcp"


@click.command("serve")
@click.option(
    "--tcp",
    metavar="HOST:PORT",
    help="Where to listen, such as 127.0.0.1:8080; port 0 takes a free one.",
)
@click.option(
    "--token-file",
    type=click.Path(),
    metavar="PATH",
    help="Where the bearer token is, or is put; serve.token in the state directory otherwise.",
)
@click.option("--print-token", is_flag=True, help="Print the token, and serve nothing.")
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="Let pages of this origin in, such as https://notebook.example; repeatable.",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Another name that this machine is asked for by; repeatable.",
)
@click.option(
    "--allow-remote",
    is_flag=True,
    help="Listen where other machines reach it. Nothing is encrypted, the token neither.",
)
@click.option(
    "--mcp-only",
    is_flag=True,
    help="Serve /mcp and nothing else: then the token gives what the tools give, and no more.",
)
@partial(scope_options, prefix="mcp-")
@quiet_option
@json_option
def command(
    tcp: str | None,
    token_file: str | None,
    print_token: bool,
    origins: tuple[str, ...],
    hosts: tuple[str, ...],
    allow_remote: bool,
    mcp_only: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Serve the daemon's HTTP on a TCP port, until it is interrupted; and MCP, at /mcp.

    Requests need `Authorization: Bearer TOKEN`. It starts the daemon where it does not run, and
    prints the address that it serves. The exit code is 0 after SIGTERM.

    What --mcp-project, --mcp-runtime, --mcp-all, --mcp-read-only and --mcp-agent say is for agents
    at /mcp, as for `runt mcp`. The rest of the API is all there for who has the token, unless
    --mcp-only leaves it away.
    """
    path, token = _token(token_file)
    if print_token:
        if as_json:
            jsonout.print_document("serve", {"token": token, "token_file": path})
        else:
            click.echo(token)
        return exits.OK
    if tcp is None:
        raise UsageFailure("say where to listen, such as --tcp 127.0.0.1:0")
    listener, host = _listener(tcp, allow_remote=allow_remote)
    with listener:
        session.connect().close()
        rules = _rules(token, {host, *hosts}, listener, origins)
        url = _url(listener)

        def announce() -> None:
            if as_json:
                document = {"url": url, "mcp": f"{url}{_MCP}", "token_file": path}
                jsonout.print_document("serve", document)
            else:
                place = f"{url}{_MCP}" if mcp_only else url
                click.echo(place if quiet else f"serving {place}, token in {path}")
            sys.stdout.flush()  # it goes on for long, and somebody waits for this line

        return _serve(rules, listener, announce, scope_of(options), mcp_only=mcp_only)


def _token(token_file: str | None) -> tuple[str, str]:
    """Return where the token is, and the token."""
    from runtimed.gateway.token import UnusableToken, load

    try:
        if token_file is None:
            path = State(private_dir(state_dir())).serve_token
        else:
            path = os.path.abspath(token_file)
        return path, load(path)
    except UnsafePath as error:
        raise DeniedFailure(str(error)) from None
    except UnusableToken as error:
        raise UsageFailure(str(error)) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DeniedFailure(f"{error.filename} is a symbolic link; name its target") from None
        raise Failure(f"{error.filename}: {error.strerror}") from None


def _listener(tcp: str, *, allow_remote: bool) -> tuple[socket.socket, str]:
    """Return the listening socket, and the host as it was written."""
    from runtimed.gateway.listening import BadAddress, bind, parse

    try:
        host, port = parse(tcp)
        return bind(host, port, allow_remote=allow_remote), host
    except BadAddress as error:
        raise UsageFailure(str(error)) from None
    except OSError as error:
        what = f"cannot listen on {tcp}: {os.strerror(error.errno or 0)}"
        if error.errno == errno.EADDRINUSE:
            raise ConflictFailure(what) from None
        if error.errno == errno.EACCES:
            raise DeniedFailure(what) from None
        raise Failure(what) from None


def _rules(token: str, hosts: set[str], listener: socket.socket, origins: tuple[str, ...]) -> Rules:
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    from runtimed.gateway.guard import LOOPBACK, Rules, host_name

    for origin in origins:
        parts = urlsplit(origin)
        if not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
            raise UsageFailure(f"{origin!r} is not an origin, such as https://notebook.example")
    address = listener.getsockname()[0].partition("%")[0]
    names = {name if ":" in name else host_name(name) for name in hosts}
    return Rules(
        token=token,
        hosts=frozenset({address, *names, *LOOPBACK}),
        any_address=ip_address(address).is_unspecified,
        origins=frozenset(origin.lower() for origin in origins),
    )


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _serve(
    rules: Rules,
    listener: socket.socket,
    announce: Callable[[], None],
    scope: Scope,
    *,
    mcp_only: bool,
) -> int:
    import asyncio

    from runtimed.gateway.app import Gateway
    from runtimed.gateway.beside import Beside, running
    from runtimed.gateway.listening import serve, take_signals

    def load_mcp() -> AbstractAsyncContextManager[Application]:
        from runtimed.mcp.streamable_http import opened  # a second, and 50 MB

        return opened(scope)

    async def served() -> int:
        mcp = Beside(load_mcp)
        beside = {_MCP.encode(): mcp}
        gateway = Gateway(rules, socket_path(), beside, only_beside=mcp_only)
        async with running(mcp):
            return await serve(gateway, listener, take_signals(), announce)

    return exits.INTERRUPTED if asyncio.run(served()) == signal.SIGINT else exits.OK
