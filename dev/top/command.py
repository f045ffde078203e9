"""The command: what to look at, how often, and when to stop."""

import json
import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from rich.console import Console
from rich.live import Live

from dev.stack import parts, redis_users
from dev.stack.places import Places, default_state, read_record
from dev.top.frame import picture, plain
from dev.top.looking import Lookout
from shared.errors import BadConfiguration
from shared.stores.connection import connect
from shared.stores.overview import Overview, overview

DONE: Final = 0
REFUSED: Final = 2
REDIS_VARIABLE: Final = "INFRA_GATE_REDIS_URL"
REDIS_PATIENCE_S: Final = 1.0


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options of `top`."""
    add = parser.add_argument
    add("--state", type=Path, help="folder of a stack on this machine; default .infragate")
    add(
        "--redis",
        nargs="?",
        const="",
        metavar="URL",
        help=f"of a deployment; alone: the one in {REDIS_VARIABLE}, which no process list shows",
    )
    add("--redis-ca-file", type=Path, help="PEM file of the authority of its certificate")
    add("--metrics", nargs="+", default=[], metavar="URL", help="where processes serve metrics")
    add("--every", type=float, default=2.0, help="seconds between two looks; default 2")
    add("--once", action="store_true", help="show one look and end")
    add("--json", action="store_true", help="one look as JSON")


def run(options: Namespace) -> int:
    """Shows until Ctrl-C, or once; returns the exit code."""
    try:
        lookout = _lookout(options)
    except BadConfiguration as fault:
        print(fault, file=sys.stderr)
        return REFUSED
    if options.json or options.once or not sys.stdout.isatty():
        _print(lookout, as_json=options.json)
    else:
        _live(lookout, max(0.2, options.every))
    return DONE


def _print(lookout: Lookout, *, as_json: bool) -> None:
    try:
        if as_json:
            print(json.dumps(plain(lookout.look()), indent=1))
        else:
            Console(highlight=False).print(picture(lookout.look()))
        sys.stdout.flush()
    except BrokenPipeError:  # `top --once | head`: at exit Python would try to write the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _live(lookout: Lookout, every_s: float) -> None:
    console = Console(highlight=False)
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(picture(lookout.look()), refresh=True)
                time.sleep(every_s)
    except KeyboardInterrupt:
        return


def _lookout(options: Namespace) -> Lookout:
    """What the options name, else what runs on this machine.

    Raises:
        BadConfiguration: they name nothing that can be looked at.
    """
    if options.redis is None and not options.metrics:
        return _of_stack(Places(state=(options.state or default_state()).resolve()))
    for url in options.metrics:
        if not url.startswith(("http://", "https://")):
            raise BadConfiguration(
                f"--metrics needs addresses with http:// or https://, not {url}."
            )
    redis = None
    if options.redis is not None:
        url = options.redis or os.environ.get(REDIS_VARIABLE, "")
        if not url:
            raise BadConfiguration(f"--redis needs a URL, or one in {REDIS_VARIABLE}.")
        redis = _looking(url, options.redis_ca_file)
    return Lookout(redis, options.metrics)


def _of_stack(places: Places) -> Lookout:
    record = read_record(places)
    if record is None:
        raise BadConfiguration(
            f"No stack was started with {places.state}. Start one with `infragate up`, or name a "
            "deployment's with --redis and --metrics."
        )
    user = parts.GATEWAY if record.strict else redis_users.LAPTOP_GATEWAY
    redis = _looking(redis_users.url(places, record.redis_port, user))
    return Lookout(redis, tuple(record.scraped.values()))


def _looking(url: str, ca_file: Path | None = None) -> Callable[[], Overview]:
    try:
        client = connect(SecretStr(url), timeout_s=REDIS_PATIENCE_S, ca_file=ca_file)
    except ValueError:
        raise BadConfiguration(
            "The Redis URL is none; it begins with redis:// or rediss://."
        ) from None
    return partial(overview, client)
