"""A server with its sidecar, as in a pod."""

from contextlib import ExitStack

from .cutter import Cutter
from .envoy import Envoy, server_sidecar
from .programs import Programs


class Pod:
    """A server, and before it a sidecar, whose connections to the server can be cut."""

    def __init__(
        self, programs: Programs, stack: ExitStack, name: str, *options: str, database_url: str | None = None
    ) -> None:
        self.server, self.server_port = programs.server(name, *options, database_url=database_url)
        self.cutter = stack.enter_context(Cutter(programs.port(), self.server_port))
        self.port = programs.port()
        self.sidecar = Envoy(programs, f"{name}-sidecar", server_sidecar(self.port, self.cutter.port))

    def kill(self) -> None:
        """Ends both at once, as when a machine is gone."""
        self.sidecar.program.kill()
        self.server.kill()

    def start(self) -> None:
        self.server.start()
        self.sidecar.program.start()
        self.sidecar.await_ready()
