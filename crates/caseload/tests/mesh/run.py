"""What each check gets."""

import argparse
import random
from dataclasses import dataclass

from interop.system import System

from .programs import Programs


@dataclass
class Run:
    """One run of one check."""

    system: System
    programs: Programs
    random: random.Random
    options: argparse.Namespace


def holds(condition: bool, what: str) -> None:
    """Fails unless a condition holds."""
    if not condition:
        raise AssertionError(what)
