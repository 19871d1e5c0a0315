"""Mutual TLS: clients that are not ours, and a certificate that is replaced while they call."""

import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import httpx
import trustme

from .run import Run, equal, holds
from .services import Server
from .system import System

# How long a replaced certificate may take to be used: a comparison each 2 s, on a busy machine.
RELOAD_TIMEOUT = 30

# How often the certificate is replaced under load, and the least calls of each kind in that time.
SWAPS = 3
LEAST_CALLS = 50


class Files:
    """Certificates of an authority, and where they are."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA()
        self.ca, self.certificate, self.key = (directory / name for name in ("ca.pem", "tls.crt", "tls.key"))
        self.authority.cert_pem.write_to_path(self.ca)
        self.renew()

    def renew(self) -> None:
        """Replaces the certificate of the system, and its key."""
        issued = self.authority.issue_cert("localhost", "127.0.0.1")
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(self.key)

    def variables(self) -> dict[str, str]:
        """Returns the variables of a system in which each side shows the other a certificate."""
        return {
            "CASELOAD_TLS_CERT": str(self.certificate),
            "CASELOAD_TLS_KEY": str(self.key),
            "CASELOAD_TLS_CLIENT_CA": str(self.ca),
            "CASELOAD_UPSTREAM_CA_FILE": str(self.ca),
            "CASELOAD_UPSTREAM_CERT": str(self.certificate),
            "CASELOAD_UPSTREAM_KEY": str(self.key),
            "CASELOAD_HSTS_MAX_AGE": "1h",
        }

    def context(self, client: trustme.LeafCert | None, version: ssl.TLSVersion) -> ssl.SSLContext:
        """Returns what a client speaks one version of TLS with."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.minimum_version = context.maximum_version = version
        if client:
            client.configure_cert(context)
        return context


def check(run: Run) -> str:
    with TemporaryDirectory(prefix="interop-tls-") as path:
        directory = Path(path)
        # The guardian of the system runs as whoever runs this.
        (directory / "system").mkdir()
        directory.chmod(0o755)
        files = Files(directory)
        with System(run.system.program, directory / "system", files.variables()) as system:
            return drive(system, files, run.word())


def drive(system: System, files: Files, name: str) -> str:
    client = files.authority.issue_cert("client.example")
    chain = b"".join(blob.bytes() for blob in client.cert_chain_pems)
    root = files.authority.cert_pem.bytes()
    known = grpc.ssl_channel_credentials(root, client.private_key_pem.bytes(), chain)
    newest = files.context(client, ssl.TLSVersion.TLSv1_3)
    with Server(system.grpc_address, known) as server:
        case_id = server.cases(system.key).CreateCase(case={"name": name}).case.id
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            over_rest(system, files.context(client, version), case_id)
            refused(system, files.context(None, version))
        tasks = server.tasks(system.key)
        url = f"{system.rest_url}/api/v2/cases/{case_id}/tasks"
        headers = {"Authorization": f"Bearer {system.key}"}

        def anew() -> None:
            with Server(system.grpc_address, known) as other:
                other.tasks(system.key).ListTasks(case_id=case_id)

        with httpx.Client(verify=newest, trust_env=False, headers=headers) as kept:
            calls = {
                "REST, connections of their own": lambda: over_rest(system, newest, case_id),
                "REST, one connection": lambda: equal(kept.get(url).status_code, 200, "a list"),
                "gRPC, connections of their own": anew,
                "gRPC, one connection": lambda: tasks.ListTasks(case_id=case_id),
            }
            with Callers(calls) as callers:
                for _ in range(SWAPS):
                    replace(system, files, newest, callers)
            made = sum(callers.made.values())
    nobody = grpc.ssl_channel_credentials(root)
    with Server(system.grpc_address, nobody) as server:
        try:
            server.tasks(system.key)
        except (grpc.RpcError, KeyError):
            pass
        else:
            raise AssertionError("a client without a certificate was served")
    return (
        f"{made} calls over mutual TLS while the certificate was replaced {SWAPS} times, none failed; "
        "nobody else is served"
    )


def replace(system: System, files: Files, context: ssl.SSLContext, callers: "Callers") -> None:
    """Replaces the certificate, and waits until it is used, and for more calls of each kind."""
    before, made = shown(system, context), Counter(callers.made)
    files.renew()
    deadline = time.monotonic() + RELOAD_TIMEOUT
    while shown(system, context) == before:
        holds(time.monotonic() < deadline, "the new certificate is used")
        time.sleep(0.05)
    while any(callers.made[kind] < made[kind] + LEAST_CALLS for kind in callers.kinds):
        callers.check()
        holds(time.monotonic() < deadline + RELOAD_TIMEOUT, f"calls are made: {callers.made}")
        time.sleep(0.05)


class Callers:
    """Makes calls of several kinds, each on a thread of its own, one after another, while the context lasts. None
    may fail."""

    def __init__(self, kinds: dict[str, Callable[[], object]]) -> None:
        self.kinds = kinds
        self.made: Counter[str] = Counter()
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(len(kinds))

    def __enter__(self) -> "Callers":
        self._running = [self._pool.submit(self._repeat, kind, call) for kind, call in self.kinds.items()]
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._pool.shutdown()
        self.check()

    def check(self) -> None:
        """Fails if a call has failed."""
        for running in self._running:
            if running.done():
                running.result()

    def _repeat(self, kind: str, call: Callable[[], object]) -> None:
        while not self._ended.is_set():
            try:
                call()
            except Exception as error:
                raise AssertionError(f"{kind}: call {self.made[kind] + 1} failed") from error
            self.made[kind] += 1


def over_rest(system: System, context: ssl.SSLContext, case_id: int) -> None:
    """Makes a request on a connection of its own."""
    headers = {"Authorization": f"Bearer {system.key}"}
    with httpx.Client(verify=context, trust_env=False) as client:
        response = client.get(f"{system.rest_url}/api/v2/cases/{case_id}/tasks", headers=headers)
    equal((response.status_code, "strict-transport-security" in response.headers), (200, True), "a list over TLS")


def refused(system: System, context: ssl.SSLContext) -> None:
    """Fails if a client without a certificate is served."""
    try:
        with httpx.Client(verify=context, trust_env=False) as client:
            client.get(f"{system.rest_url}/livez")
    except httpx.TransportError:
        return
    raise AssertionError("a client without a certificate was served")


def shown(system: System, context: ssl.SSLContext) -> bytes | None:
    """Returns the certificate that the gateway shows."""
    host, port = system.rest_address.split(":")
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain, server_hostname=host) as tls:
        return tls.getpeercert(binary_form=True)
