"""Mutual TLS: clients that are not ours, and a certificate that is replaced while they call."""

import socket
import ssl
import time
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
    with Server(system.grpc_address, known) as server:
        case_id = server.cases(system.key).CreateCase(case={"name": name}).case.id
        calls = 0
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            calls += over_rest(system, files.context(client, version), case_id)
            refused(system, files.context(None, version))
        before = shown(system, files.context(client, ssl.TLSVersion.TLSv1_3))
        files.renew()
        deadline = time.monotonic() + RELOAD_TIMEOUT
        tasks = server.tasks(system.key)
        while shown(system, files.context(client, ssl.TLSVersion.TLSv1_3)) == before:
            holds(time.monotonic() < deadline, "the new certificate is used")
            tasks.ListTasks(case_id=case_id)
            calls += 1 + over_rest(system, files.context(client, ssl.TLSVersion.TLSv1_3), case_id)
    nobody = grpc.ssl_channel_credentials(root)
    with Server(system.grpc_address, nobody) as server:
        try:
            server.tasks(system.key)
        except (grpc.RpcError, KeyError):
            pass
        else:
            raise AssertionError("a client without a certificate was served")
    return f"{calls} calls over mutual TLS, also while the certificate was replaced; nobody else is served"


def over_rest(system: System, context: ssl.SSLContext, case_id: int) -> int:
    """Makes a request on a connection of its own. Returns how many that were."""
    headers = {"Authorization": f"Bearer {system.key}"}
    with httpx.Client(verify=context, trust_env=False) as client:
        response = client.get(f"{system.rest_url}/api/v2/cases/{case_id}/tasks", headers=headers)
    equal((response.status_code, "strict-transport-security" in response.headers), (200, True), "a list over TLS")
    return 1


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
