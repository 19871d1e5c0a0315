"""The system that the examples call."""

import http.client
import json

from dev_system import DevSystem


class System(DevSystem):
    """A system whose cases and tasks the checks create and read themselves."""

    def new_case(self) -> int:
        """Creates a case without tasks, and returns its id."""
        return self._call("POST", "/api/v2/cases", {"name": "Example"})["case_id"]

    def task_ids(self, case_id: int) -> list[int]:
        """Returns the ids of all tasks of a case."""
        return [task["id"] for task in self._call("GET", f"/api/v2/cases/{case_id}/tasks")["tasks"]]

    def _call(self, method: str, path: str, body: dict | None = None) -> dict:
        connection = http.client.HTTPConnection(self.rest_address, timeout=20)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        connection.request(method, path, body and json.dumps(body), headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer!r}")
        return json.loads(answer)
