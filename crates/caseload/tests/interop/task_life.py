"""The whole life of tasks, by a gRPC client that knows them from the server's reflection alone."""

from .run import Run, equal, holds
from .services import Server, Service, label

EMAILS = ["user1@example.com", "user2@example.com", "user3@example.com"]


def check(run: Run) -> str:
    with Server(run.system.grpc_address) as server:
        tasks, cases = server.tasks(run.system.key), server.cases(run.system.key)
        case_id = cases.CreateCase(case={"name": run.word(), "priority": "PRIORITY_HIGH"}).case.id
        create_and_read(run, tasks, case_id)
        update(tasks, case_id)
        batches(tasks, case_id)
        delete(tasks, case_id)
        cases.DeleteCase(case_id=case_id)
        equal(cases.refusal("GetCase", case_id=case_id)[:2], ("NOT_FOUND", "CASE_NOT_FOUND"), "a deleted case")
    return "grpcio created, read, listed, changed and deleted tasks over reflection"


def create_and_read(run: Run, tasks: Service, case_id: int) -> None:
    new = {"description": "Call the customer", "assignee_emails": EMAILS[:2]}
    trial = tasks.CreateTask(case_id=case_id, task=new, validate_only=True).task
    equal((trial.id, trial.description), (0, "Call the customer"), "a trial")
    equal(listed(tasks, case_id), [], "tasks after a trial")

    key = run.word()
    request = {"case_id": case_id, "task": new, "request_id": key}
    created, metadata = tasks.call("CreateTask", **request)
    holds("idempotency-replayed" not in metadata, "a first request is marked as a replay")
    replayed, metadata = tasks.call("CreateTask", **request)
    equal((replayed, metadata.get("idempotency-replayed")), (created, "true"), "a replay")
    other = request | {"task": new | {"description": "Another one"}}
    equal(tasks.refusal("CreateTask", **other)[:2], ("INVALID_ARGUMENT", "REQUEST_ID_REUSED"), "a used key")
    record = tasks.GetIdempotencyRecord(request_id=key).record
    equal(list(record.task_ids), [created.task.id], "an idempotency record")
    unknown = tasks.refusal("GetIdempotencyRecord", request_id=run.word())
    equal(unknown[:2], ("NOT_FOUND", "IDEMPOTENCY_KEY_UNKNOWN"), "an unknown key")

    got = tasks.GetTask(case_id=case_id, task_id=created.task.id).task
    equal(got, created.task, "get")
    equal([user.email for user in got.assignees], EMAILS[:2], "assignees")
    faulty = [{"description": "Good"}, {"description": "", "assignee_emails": ["nobody"]}]
    equal(
        tasks.refusal("BatchCreateTasks", case_id=case_id, tasks=faulty),
        ("INVALID_ARGUMENT", "INVALID_BATCH", {
            "tasks[1].description": "REQUIRED", "tasks[1].assignee_emails[0]": "INVALID_EMAIL",
        }),
        "a batch with faults",
    )  # fmt: skip
    batch = [{"description": f"Task {number}"} for number in range(25)]
    ids = [task.id for task in tasks.BatchCreateTasks(case_id=case_id, tasks=batch).tasks]
    equal(ids, sorted(set(ids)), "ids of a batch")
    equal(listed(tasks, case_id, page_size=7), [created.task.id, *ids], "pages of 7")
    page = tasks.ListTasks(case_id=case_id, skip=20, count_total=True)
    equal(([task.id for task in page.tasks], page.total_size), (ids[19:], 26), "a page after 20 tasks")
    of_user = tasks.ListTasks(assignee_email=EMAILS[0].upper(), completed=False, page_size=50).tasks
    holds(created.task.id in [task.id for task in of_user], "the list of a user lacks the task")
    token = tasks.ListTasks(case_id=case_id, page_size=7).next_page_token
    refused = tasks.refusal("ListTasks", case_id=case_id, page_token=token, completed=True)
    equal(refused[2], {"page_token": "INVALID_PAGE_TOKEN"}, "a token of another list")


def update(tasks: Service, case_id: int) -> None:
    before = tasks.CreateTask(case_id=case_id, task={"description": "Write", "assignee_emails": EMAILS}).task

    def change(**fields):
        return {"case_id": case_id, "task": {"id": before.id} | fields}

    mask = {"paths": ["completed", "assignee_emails"]}
    trial = tasks.UpdateTask(**change(completed=True, update_mask=mask), validate_only=True).task
    equal((trial.completed, trial.etag), (True, before.etag), "a trial of an update")
    # The description is not in the mask.
    fields = {"completed": True, "description": "Ignored", "assignee_emails": EMAILS[2:], "update_mask": mask}
    after = tasks.UpdateTask(**change(**fields, etag=before.etag)).task
    equal((after.completed, after.description), (True, "Write"), "an update with a mask")
    equal([user.email for user in after.assignees], EMAILS[2:], "assignees after the update")
    holds(after.etag != before.etag, "the entity tag has not changed")
    stale = tasks.refusal("UpdateTask", **change(completed=False, etag=before.etag))
    equal(stale, ("ABORTED", "ETAG_MISMATCH", {"task.etag": "ETAG_MISMATCH"}), "a stale entity tag")
    equal(tasks.UpdateTask(**change(completed=True)).task, after, "an update that changes nothing")
    cleared = tasks.UpdateTask(**change(update_mask={"paths": ["assignee_emails"]})).task
    equal(list(cleared.assignees), [], "assignees that a mask clears")
    unknown = tasks.refusal("UpdateTask", **change(update_mask={"paths": ["id"]}))
    equal(unknown[2], {"task.update_mask": "INVALID_MASK"}, "an unknown field in a mask")

    events = tasks.ListTaskEvents(case_id=case_id, task_id=before.id, count_total=True)
    kinds = [label(event, "kind").removeprefix("TASK_EVENT_KIND_") for event in events.task_events]
    # Two users were unassigned by the first update, the third one by the last.
    equal(kinds, ["CREATED", "COMPLETED", "UNASSIGNED", "UNASSIGNED"], "the events of the task")
    equal(events.total_size, 4, "their number")
    equal({event.api_key.name for event in events.task_events}, {"demo"}, "keys of the events")


def batches(tasks: Service, case_id: int) -> None:
    new = [{"description": f"Step {number}"} for number in range(3)]
    ids = [task.id for task in tasks.BatchCreateTasks(case_id=case_id, tasks=new).tasks]
    back = tasks.BatchGetTasks(case_id=case_id, task_ids=ids[::-1]).tasks
    equal([task.id for task in back], ids[::-1], "a batch that is read")
    etags = {task.id: task.etag for task in back}
    updates = [{"id": id, "completed": True, "etag": etags[id]} for id in ids]
    changed = tasks.BatchUpdateTasks(case_id=case_id, tasks=updates).tasks
    equal([task.completed for task in changed], [True] * 3, "a batch that is changed")
    updates[1]["etag"] = changed[1].etag
    stale = tasks.refusal("BatchUpdateTasks", case_id=case_id, tasks=updates)
    places = {"tasks[0].etag": "ETAG_MISMATCH", "tasks[2].etag": "ETAG_MISMATCH"}
    equal(stale, ("ABORTED", "ETAG_MISMATCH", places), "a batch with stale entity tags")
    missing = tasks.refusal("BatchDeleteTasks", case_id=case_id, task_ids=[ids[0], 2**52])
    equal(missing, ("NOT_FOUND", "TASK_NOT_FOUND", {"task_ids[1]": "TASK_NOT_FOUND"}), "a batch with a missing task")
    tasks.BatchDeleteTasks(case_id=case_id, task_ids=ids)
    equal(tasks.refusal("BatchGetTasks", case_id=case_id, task_ids=ids)[1], "TASK_NOT_FOUND", "a deleted batch")


def delete(tasks: Service, case_id: int) -> None:
    task = tasks.CreateTask(case_id=case_id, task={"description": "Delete me"}).task
    target = {"case_id": case_id, "task_id": task.id}
    stale = tasks.refusal("DeleteTask", **target, etag='"stale"')
    equal(stale[:2], ("ABORTED", "ETAG_MISMATCH"), "a deletion with a stale entity tag")
    tasks.DeleteTask(**target, etag=task.etag)
    equal(tasks.refusal("GetTask", **target)[:2], ("NOT_FOUND", "TASK_NOT_FOUND"), "a deleted task")
    events = tasks.ListTaskEvents(**target).task_events
    kinds = [label(event, "kind") for event in events]
    equal(kinds, ["TASK_EVENT_KIND_CREATED", "TASK_EVENT_KIND_DELETED"], "the events of a deleted task")


def listed(tasks: Service, case_id: int, **options: int) -> list[int]:
    """Returns the ids of all tasks of a case, page by page."""
    ids, token = [], ""
    while True:
        page = tasks.ListTasks(case_id=case_id, page_token=token, **options)
        ids += [task.id for task in page.tasks]
        token = page.next_page_token
        if not token:
            return ids
