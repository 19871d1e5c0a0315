"""Starts a system, runs the checks one after another, and stops the system."""

import argparse
import random
import sys
from functools import partial
from pathlib import Path

import checks

from . import buf_curl, directory, family, history, imports, mutual_tls, task_life, traces, walk
from .run import Run
from .system import System

CHECKS = {
    "family": family.check,
    "tasks": task_life.check,
    "directory": directory.check,
    "buf": buf_curl.check,
    "mutual-tls": mutual_tls.check,
    "traces": traces.check,
    "imports": imports.check,
    "walk": walk.check,
    "history": history.check,
}


def options() -> argparse.Namespace:
    parser = checks.parser("interop", __doc__, CHECKS)
    parser.add_argument("--buf", type=Path, help="the program buf; without it, buf curl is not run")
    parser.add_argument("--rows", type=int, default=100_000, help="how many users and tasks are imported and listed")
    parser.add_argument("--import-limit", type=float, help="the most seconds that an import of so many may take")
    return parser.parse_args()


def main() -> int:
    chosen = options()
    print(f"interop: --seed {chosen.seed} --rows {chosen.rows}", flush=True)
    with checks.started("interop", System, chosen.program) as system:

        def check(name: str) -> str:
            return CHECKS[name](Run(system, random.Random(f"{chosen.seed} {name}"), chosen))

        code = checks.run("interop", [(name, partial(check, name)) for name in chosen.check or CHECKS])
        if code:
            print(f"interop: the end of the system's log:\n{system.end_of_log()}", file=sys.stderr)
    return code


sys.exit(main())
