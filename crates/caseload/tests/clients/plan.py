"""What a proxy does with the requests of one client that create tasks, and what it has seen of them."""

import threading
import time
from dataclasses import dataclass, field
from enum import Enum


class Fate(Enum):
    """What becomes of a request."""

    PASS = "is forwarded, as is the response"
    REJECT = "is rejected, with a time to wait, and is not forwarded"
    LOSE = "is forwarded, and the response is lost"
    DROP = "is not forwarded, and has no response"
    BREAK = "is forwarded, and answered by 500 without a body; over REST only"
    BREAK_IN_HTML = "is forwarded, and answered by 500 with HTML; over REST only"


REJECT_SECONDS = 1
"""How long a client that was rejected must wait."""


@dataclass
class Request:
    """A request as the proxy has seen it."""

    time: float
    key: str
    deadline: float | None
    """The seconds that the client gives it; None if it says nothing."""


@dataclass
class Plan:
    """The fates of the first requests, and that of all others."""

    first: list[Fate]
    others: Fate
    requests: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, key: str, deadline: float | None) -> Fate:
        """Notes a request, and returns its fate."""
        with self.lock:
            number = len(self.requests)
            self.requests.append(Request(time.monotonic(), key, deadline))
            return self.first[number] if number < len(self.first) else self.others
