"""What the programs in Python that check a system have in common: they start it, and run checks one after another."""

import argparse
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from dev_system import DevSystem

S = TypeVar("S", bound=DevSystem)


def parser(name: str, description: str | None, checks: Iterable[str] = ()) -> argparse.ArgumentParser:
    """Returns a parser of the options that all of them have. `checks` are those of which one may be chosen."""
    options = argparse.ArgumentParser(prog=name, description=description)
    options.add_argument("--program", type=Path, required=True, help="the program caseload")
    if names := list(checks):
        options.add_argument("--seed", type=int, default=random.randrange(2**32), help="of all that is random")
        options.add_argument("--check", action="append", choices=names, help="only this one; may be repeated")
    return options


@contextmanager
def started(name: str, system: Callable[[Path, Path], S], program: Path) -> Iterator[S]:
    """Starts a system on a directory of its own, and stops it at the end of the context, or at a signal."""
    # Ends the process by an exception, so that everything is stopped.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as path, system(program, Path(path)) as running:
        yield running


def run(name: str, checks: Iterable[tuple[str, Callable[[], str]]]) -> int:
    """Runs checks, each of which returns what it found, or fails with an exception. Returns the exit code."""
    failed = []
    for check, find in checks:
        begin = time.monotonic()
        try:
            outcome = find()
        except Exception:
            traceback.print_exc()
            outcome = "FAILED"
            failed.append(check)
        print(f"{name}: {check}: {outcome} ({time.monotonic() - begin:.1f} s)", flush=True)
    print(f"{name}: {'failed: ' + ', '.join(failed) if failed else 'all checks passed'}", flush=True)
    return 1 if failed else 0
