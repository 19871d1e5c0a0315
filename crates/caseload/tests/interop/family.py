"""The documented family's client `tapi`, over TLS: cases, and the tasks in them."""

import os
from typing import Any
from unittest import mock

import httpx
from tapi.api.case import CasesAPI
from tapi.utils.types import CaseStatus

from .run import Run, equal, holds
from .tls import TlsProxy

# The client calls https://NAME.tines.com for a tenant with this name.
NAME = "interop"
HOST = f"{NAME}.tines.com"
EMAIL = "user1@example.com"


def check(run: Run) -> str:
    with TlsProxy(HOST, run.system.rest_address, run.system.directory).serving() as proxy:
        client = CasesAPI(NAME, run.system.key)
        with mock.patch.dict(os.environ, proxy.environment(trusted=False), clear=True):
            response = client.list()
            holds("CERTIFICATE_VERIFY_FAILED" in str(response["body"]), f"TLS is not verified: {response}")
        with mock.patch.dict(os.environ, proxy.environment(), clear=True):
            case_id = cases(run, client)
            tasks(run, client, case_id)
            equal(client.delete(case_id)["status_code"], 204, "delete of a case")
            refused(client.get(case_id), 404, "CASE_NOT_FOUND")
            refused(CasesAPI(NAME, run.system.key[:-1] + "!").list(), 401, "KEY_INVALID")
    return "tapi created, read, listed, changed and deleted cases and their tasks over TLS"


def cases(run: Run, client: CasesAPI) -> int:
    """Drives cases, and returns the id of one."""
    name = run.word()
    tasks = [{"description": "Call the customer", "assignee_emails": [EMAIL]}]
    created = body(client.create(7, name, description="Has a task", tasks=tasks), 201)
    case_id = created["case_id"]
    made = [created[member] for member in ("name", "description", "priority", "status", "team_id")]
    equal(made, [name, "Has a task", "LOW", "OPEN", 7], "the case")
    equal([task["assignees"][0]["email"] for task in created.pop("tasks")], [EMAIL], "assignees of its task")
    equal(body(client.get(case_id)), created, "get of a case")

    for number in range(25):
        body(client.create(8, f"{name} {number}"), 201)
    # The client sends filters and pages in the body of GET, which has no meaning.
    first = body(client.list(team_id=8, per_page=5, page=3))
    equal((first["meta"]["current_page"], first["meta"]["per_page"]), (1, 20), "the page of cases")
    listed = walk(run, first, "cases")
    holds(case_id in [case["case_id"] for case in listed], "the case is not listed")
    holds(len(listed) >= 26, f"{len(listed)} cases are listed")

    changed = body(client.update(case_id, priority="HIGH", status="CLOSED"))
    equal((changed["priority"], changed["status"], changed["name"]), ("HIGH", "CLOSED", name), "update of a case")
    refused(client.update(case_id, status=CaseStatus.CLOSE), 400, "UNKNOWN_VALUE")
    refused(client.create(7, name, tag_names=["urgent"]), 400, "UNKNOWN_MEMBER")
    return case_id


def tasks(run: Run, client: CasesAPI, case_id: int) -> None:
    """Drives the tasks of a case that has one."""
    created = body(client.tasks.create(case_id, "Write a report", [EMAIL, "user2@example.com"]), 201)["task"]
    equal([user["first_name"] for user in created["assignees"]], ["John", "Jane"], "assignees")
    task_id = created["id"]
    equal(body(client.tasks.get(case_id, task_id))["task"], created, "get of a task")
    refused(client.tasks.create(case_id, "Call", ["nobody@example.com"]), 400, "UNKNOWN_USER")

    # The client's own update is a GET with a body.
    equal(body(client.tasks.update(case_id, task_id, completed=True))["task"], created, "GET with a body")
    path = f"cases/{case_id}/tasks/{task_id}"
    changed = body(client._http_request("PUT", path, "v2", json={"completed": True, "assignee_emails": []}))["task"]
    equal((changed["completed"], changed["assignees"]), (True, []), "update of a task")
    equal(body(client.tasks.get(case_id, task_id))["task"], changed, "get after the update")

    ids = [body(client.tasks.create(case_id, f"Task {number}"), 201)["task"]["id"] for number in range(21)]
    first = body(client.tasks.list(case_id))
    equal((first["meta"]["per_page"], first["meta"]["count"], len(first["tasks"])), (10, 23, 10), "a page")
    equal([task["id"] for task in walk(run, first, "tasks")][1:], [task_id, *ids], "the list of tasks")
    page = body(client.tasks.list(case_id, page=first["meta"]["next_page_number"]))
    equal([task["id"] for task in page["tasks"]], ids[8:18], "the second page")

    equal(body(client.tasks.delete(case_id, task_id)), {"destroyed_id": str(task_id)}, "delete of a task")
    refused(client.tasks.get(case_id, task_id), 404, "TASK_NOT_FOUND")


def walk(run: Run, page: dict[str, Any], member: str) -> list[dict[str, Any]]:
    """Follows the links of a first page, as they are. Returns what all pages list."""
    items = list(page[member])
    headers = {"Authorization": f"Bearer {run.system.key}"}
    while link := page["meta"]["next_page"]:
        holds(link.startswith(f"https://{HOST}/api/v2/"), f"the link {link} is not that of the client's host")
        page = httpx.get(link, headers=headers).raise_for_status().json()
        items += page[member]
    return items


def body(response: dict[str, Any], status: int = 200) -> dict[str, Any]:
    """Returns the body of a response, which must have this status."""
    equal(response["status_code"], status, f"status with {response['body']}")
    return response["body"]


def refused(response: dict[str, Any], status: int, reason: str) -> None:
    """Fails unless a request was refused with a status and, in its problem document, a reason."""
    content_type = response["headers"].get("content-type")
    equal((response["status_code"], content_type), (status, "application/problem+json"), "refusal")
    holds(f'"{reason}"' in response["body"], f"the reason is not {reason}: {response['body']}")
