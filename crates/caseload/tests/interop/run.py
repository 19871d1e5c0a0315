"""What each check gets, and how it says what it expects."""

import argparse
import random
from dataclasses import dataclass
from typing import Any

from .system import System


@dataclass
class Run:
    """One run of one check."""

    system: System
    random: random.Random
    options: argparse.Namespace

    def word(self) -> str:
        """Returns a word that occurs nowhere else."""
        return "".join(self.random.choices("bcdfghjklmnpqrstvwxz", k=16))


def equal(actual: Any, expected: Any, what: str) -> None:
    """Fails unless two values are equal."""
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, found {actual!r}")


def holds(condition: bool, what: str) -> None:
    """Fails unless a condition holds."""
    if not condition:
        raise AssertionError(what)
