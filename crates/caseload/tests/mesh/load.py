"""Clients that create batches, and the outcomes that are reported to them."""

import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Callable

import grpc
import httpx
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status
from interop.services import Server, Service

TASKS = 3
REST_TIMEOUT = 30

# A batch with an idempotency key is repeated until it is created.
MAX_ATTEMPTS = 100
PAUSE = 0.05

# What a server says of a call that it may have completed. Everything else of its own means: nothing was written.
UNKNOWN_REASONS = {"OUTCOME_UNKNOWN", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL"}


class Outcome(Enum):
    """The outcome of a batch that was reported to its client."""

    CREATED = auto()
    NOTHING_WRITTEN = auto()
    UNKNOWN = auto()


@dataclass
class Batch:
    """A batch, and what became of it, as far as its client knows."""

    name: str
    client: str
    has_key: bool
    outcome: Outcome = Outcome.UNKNOWN
    ids: list[int] = field(default_factory=list)
    attempts: int = 0

    def tasks(self) -> list[dict[str, str]]:
        return [{"description": f"{self.name} {number}"} for number in range(TASKS)]

    @property
    def key(self) -> str:
        return self.name if self.has_key else ""


Send = Callable[[Batch], tuple[Outcome, list[int], str]]


class Load:
    """Clients over gRPC and REST, half of them with idempotency keys, while the context lasts."""

    def __init__(self, key: str, case_id: int, grpc_port: int, rest_ports: list[int], clients: int = 8) -> None:
        self.key, self.case_id = key, case_id
        self.grpc_port, self.rest_ports, self.clients = grpc_port, rest_ports, clients
        self.batches: list[Batch] = []
        self.answers: Counter[str] = Counter()
        """How many responses there were, by client and kind of response."""
        self.errors: list[float] = []
        """When each response came that was no success, on the monotonic clock."""
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(clients)

    def __enter__(self) -> "Load":
        self._server = Server(f"127.0.0.1:{self.grpc_port}")
        tasks = self._server.tasks(self.key)
        self._running = [self._pool.submit(self._work, number, tasks) for number in range(self.clients)]
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._pool.shutdown()
        self._server.channel.close()
        for running in self._running:
            running.result()

    def _work(self, number: int, tasks: Service) -> None:
        has_key = number % 2 == 1
        if number % 4 < 2:
            return self._repeat("gRPC", has_key, lambda batch: over_grpc(tasks, self.case_id, batch))
        port = self.rest_ports[number % len(self.rest_ports)]
        with httpx.Client(trust_env=False, timeout=REST_TIMEOUT) as client:
            url = f"http://127.0.0.1:{port}/api/v2/cases/{self.case_id}/tasks/batch"
            return self._repeat("REST", has_key, lambda batch: over_rest(client, url, self.key, batch))

    def _repeat(self, client: str, has_key: bool, send: Send) -> None:
        while not self._ended.is_set():
            batch = Batch(f"mesh-{uuid.uuid4()}", client, has_key)
            self.batches.append(batch)
            self._create(batch, send)

    def _create(self, batch: Batch, send: Send) -> None:
        may_exist = False
        for _ in range(MAX_ATTEMPTS if batch.has_key else 1):
            batch.attempts += 1
            batch.outcome, batch.ids, answer = send(batch)
            self.answers[f"{batch.client} {answer}"] += 1
            if batch.outcome is Outcome.CREATED:
                return
            self.errors.append(time.monotonic())
            may_exist |= batch.outcome is Outcome.UNKNOWN
            # Also once the load has ended: what is left then is repeated until the proxy trusts a server again.
            time.sleep(PAUSE)
        if may_exist:
            batch.outcome = Outcome.UNKNOWN


def over_grpc(tasks: Service, case_id: int, batch: Batch) -> tuple[Outcome, list[int], str]:
    """Sends a batch over gRPC."""
    try:
        response, _ = tasks.call("BatchCreateTasks", case_id=case_id, tasks=batch.tasks(), request_id=batch.key)
    except grpc.RpcError as error:
        reason = reason_of(error)
        is_certain = bool(reason) and reason not in UNKNOWN_REASONS
        answer = f"{error.code().name} {reason or 'of a proxy'}"
        return (Outcome.NOTHING_WRITTEN if is_certain else Outcome.UNKNOWN), [], answer
    return Outcome.CREATED, [task.id for task in response.tasks], "created"


def reason_of(error: grpc.RpcError) -> str:
    """Returns the reason that a server gives; an empty text if the error is of a proxy, or of the client itself."""
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        return ""
    for detail in status.details if status else []:
        info = ErrorInfo()
        if detail.Unpack(info) and info.domain == "caseload":
            return info.reason
    return ""


def over_rest(client: httpx.Client, url: str, key: str, batch: Batch) -> tuple[Outcome, list[int], str]:
    """Sends a batch over REST."""
    headers = {"Authorization": f"Bearer {key}"} | ({"Idempotency-Key": batch.key} if batch.has_key else {})
    try:
        response = client.post(url, json={"tasks": batch.tasks()}, headers=headers)
    except httpx.TransportError as error:
        return Outcome.UNKNOWN, [], type(error).__name__
    if response.status_code == 201:
        return Outcome.CREATED, [task["id"] for task in response.json()["tasks"]], "created"
    is_ours = response.headers.get("content-type") == "application/problem+json"
    reason = response.json()["errors"][0]["details"] if is_ours else "of a proxy"
    # 504 says that time is over, not what was done.
    is_certain = is_ours and reason not in UNKNOWN_REASONS and response.status_code not in (500, 504)
    return (Outcome.NOTHING_WRITTEN if is_certain else Outcome.UNKNOWN), [], f"{response.status_code} {reason}"
