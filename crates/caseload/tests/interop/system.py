"""The system under test: `caseload dev`, and the command line beside it."""

import json
import subprocess
from functools import cached_property

from dev_system import DevSystem, environment


class System(DevSystem):
    """A system that the command line works on, too."""

    @cached_property
    def admin_key(self) -> str:
        """A key that may feed users and cases."""
        return self.new_key("admin")

    def new_key(self, *scopes: str) -> str:
        """Creates an API key with scopes, of the tenant that the example has."""
        chosen = [option for scope in scopes for option in ("--scope", scope)]
        return self.admin("key", "create", "--tenant", "Demo", "interop", *chosen)["key"]

    def admin(self, *arguments: str) -> dict:
        """Runs a command of `caseload admin`, which must succeed, and returns what it prints."""
        process = self.start(["admin", "--json", "--log-level", "warn", *arguments], CASELOAD_DATABASE_URL=self.database_url)
        printed = process.communicate()[0]
        if process.returncode != 0:
            raise AssertionError(f"{arguments}: exit code {process.returncode}")
        return json.loads(printed)

    def start(self, arguments: list[str], **variables: str) -> subprocess.Popen:
        """Starts the program with arguments and environment variables. Its errors are shown."""
        return subprocess.Popen(
            [self.program, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment() | variables,
        )  # fmt: skip

    def start_import(self, key: str, *arguments: str) -> subprocess.Popen:
        """Starts an import with a key, of which the summary is JSON."""
        command = [*arguments, "--json"]
        return self.start(command, CASELOAD_SERVER=self.grpc_url, CASELOAD_API_KEY=key)

    def run_import(self, key: str, *arguments: str) -> dict:
        """Runs an import, which must succeed, and returns its summary."""
        process = self.start_import(key, *arguments)
        summary = process.communicate()[0]
        if process.returncode != 0:
            raise AssertionError(f"{arguments}: exit code {process.returncode}: {summary}")
        return json.loads(summary)
