"""The events of tasks, replayed in order, give the state of each task."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
from google.protobuf.message import Message

from .run import Run, equal, holds
from .services import Server, Service, details, label

EMAILS = ["user1@example.com", "user2@example.com", "user3@example.com"]
TASKS = 60
CLIENTS = 6
CHANGES = 80

# What a client may be told while others change the same tasks.
EXPECTED = {"TASK_NOT_FOUND", "ETAG_MISMATCH"}


def check(run: Run) -> str:
    with Server(run.system.grpc_address) as server:
        tasks = server.tasks(run.system.key)
        case_id = server.cases(run.system.key).CreateCase(case={"name": run.word()}).case.id
        ids = []
        for _ in range(TASKS // 20):
            new = [{"description": "Begin", "assignee_emails": some(run.random, EMAILS)} for _ in range(20)]
            ids += [task.id for task in tasks.BatchCreateTasks(case_id=case_id, tasks=new).tasks]
        clients = [Client(run, tasks, case_id, ids, random.Random(run.random.random())) for _ in range(CLIENTS)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            made = sum(pool.map(Client.run, clients))
        states = [compare(tasks, case_id, id) for id in ids]
    events = sum(count for count, _ in states)
    deleted = sum(not exists for _, exists in states)
    holds(0 < deleted < TASKS and events > TASKS, f"{events} events, {deleted} tasks deleted")
    return f"{events} events of {made} changes by {CLIENTS} clients add up to {TASKS} tasks, {deleted} of them deleted"


class Client:
    """Changes tasks at random, beside others that change the same ones, over gRPC and over REST."""

    def __init__(self, run: Run, tasks: Service, case_id: int, ids: list[int], source: random.Random) -> None:
        self.tasks, self.case_id, self.ids, self.random = tasks, case_id, ids, source
        self.url = f"{run.system.rest_url}/api/v2/cases/{case_id}/tasks"
        self.headers = {"Authorization": f"Bearer {run.system.key}"}

    def run(self) -> int:
        """Returns how many changes were made."""
        return sum(self._change() for _ in range(CHANGES))

    def _change(self) -> bool:
        kind = self.random.choices(["update", "batch", "rest", "delete"], [5, 3, 3, 0.3])[0]
        id = self.random.choice(self.ids)
        if kind == "rest":
            return self._rest(id, self._fields())
        try:
            if kind == "delete":
                self.tasks.DeleteTask(case_id=self.case_id, task_id=id)
            elif kind == "update":
                task = self.tasks.GetTask(case_id=self.case_id, task_id=id).task
                update = {"id": id, "etag": task.etag} | masked(self._fields())
                self.tasks.UpdateTask(case_id=self.case_id, task=update)
            else:
                ids = self.random.sample(self.ids, self.random.randint(1, 6))
                updates = [{"id": id} | masked(self._fields()) for id in ids]
                self.tasks.BatchUpdateTasks(case_id=self.case_id, tasks=updates)
        except grpc.RpcError as error:
            reason, _ = details(error)
            holds(reason in EXPECTED, f"{kind} failed: {error}")
            return False
        return True

    def _rest(self, id: int, fields: dict[str, Any]) -> bool:
        with httpx.Client(trust_env=False, timeout=30) as client:
            response = client.put(f"{self.url}/{id}", json=fields, headers=self.headers)
        holds(response.status_code == 200 or '"TASK_NOT_FOUND"' in response.text, f"PUT failed: {response.text}")
        return response.status_code == 200

    def _fields(self) -> dict[str, Any]:
        fields = {
            "description": f"Described {self.random.randrange(4)}",
            "completed": self.random.random() < 0.5,
            "assignee_emails": some(self.random, EMAILS),
        }
        names = self.random.sample(sorted(fields), self.random.randint(1, 3))
        return {name: fields[name] for name in names}


def masked(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"update_mask": {"paths": list(fields)}}


def some(source: random.Random, items: list[str]) -> list[str]:
    """Returns some of the items, in any order."""
    return source.sample(items, source.randint(0, len(items)))


def compare(tasks: Service, case_id: int, task_id: int) -> tuple[int, bool]:
    """Compares a task with its events. Returns how many there are, and whether the task exists."""
    events = list_events(tasks, case_id, task_id)
    ids = [event.id for event in events]
    equal(ids == sorted(set(ids)), True, f"the events of task {task_id} ascend")
    replayed = replay(events)
    try:
        task = tasks.GetTask(case_id=case_id, task_id=task_id).task
    except grpc.RpcError as error:
        equal(details(error)[0], "TASK_NOT_FOUND", "a task that is not there")
        equal(replayed["exists"], False, f"whether task {task_id} exists by its events")
        return len(events), False
    actual = {
        "exists": True,
        "completed": task.completed,
        "description": task.description,
        "assignee_ids": [assignee.id for assignee in task.assignees],
        "updated_at": task.updated_at.ToNanoseconds(),
    }
    equal(replayed, actual, f"task {task_id} by its events")
    return len(events), True


def replay(events: list[Message]) -> dict[str, Any]:
    """Returns the state to which events lead."""
    state: dict[str, Any] = {"exists": False, "description": "Begin"}
    for event in events:
        holds(bool(event.request_id and event.api_key.name), f"nobody has done {event}")
        kind = label(event, "kind").removeprefix("TASK_EVENT_KIND_")
        equal(state["exists"], kind != "CREATED", f"whether the task exists before {kind}")
        state["updated_at"] = event.created_at.ToNanoseconds()
        if kind == "CREATED":
            state |= {"exists": True, "completed": False}
        elif kind == "DELETED":
            state["exists"] = False
        elif kind in ("COMPLETED", "REOPENED"):
            equal(state["completed"], kind == "REOPENED", f"whether the task is completed before {kind}")
            state["completed"] = kind == "COMPLETED"
        elif kind == "DESCRIBED":
            state["description"] = event.description
        if kind in ("CREATED", "ASSIGNED", "UNASSIGNED"):
            state["assignee_ids"] = list(event.assignee_ids)
    return state


def list_events(tasks: Service, case_id: int, task_id: int) -> list[Message]:
    events, token = [], ""
    while True:
        page = tasks.ListTaskEvents(case_id=case_id, task_id=task_id, page_size=5, page_token=token)
        events += page.task_events
        token = page.next_page_token
        if not token:
            return events
