"""The directory: a gRPC client feeds users and cases, deactivates a user and erases one."""

from .database import Database
from .run import Run, equal, holds
from .services import Server, Service, label

BATCH = 500


def check(run: Run) -> str:
    with Server(run.system.grpc_address) as server, Database(run.system.database_url) as database:
        directory, tasks = server.directory(run.system.admin_key), server.tasks(run.system.key)
        users = feed(run, directory)
        case_id = feed_cases(run, directory)
        deactivate(directory, tasks, case_id, users[0])
        before = erase(run, directory, tasks, server.cases(run.system.key), database, case_id, users[1])
    return f"grpcio fed {BATCH} users and cases; of the erased one, {before} columns had traces before, none after"


def feed(run: Run, directory: Service) -> list[dict[str, str]]:
    """Feeds users, and returns them. None of the words in them is anywhere else."""
    words = [run.word() for _ in range(BATCH)]
    users = [
        {
            "external_id": f"external{word}", "email": f"Email{word}@example.com",
            "first_name": f"First{word}", "last_name": f"Last{word}",
        }
        for word in words
    ]  # fmt: skip
    trial = directory.BatchUpsertUsers(users=users, validate_only=True)
    equal(changes(trial.users), {"CHANGE_CREATED"}, "a trial")
    fed = directory.BatchUpsertUsers(users=users).users
    equal(changes(fed), {"CHANGE_CREATED"}, "users that are fed")
    equal([entry.user.email for entry in fed], [user["email"].lower() for user in users], "emails")
    equal(changes(directory.BatchUpsertUsers(users=users).users), {"CHANGE_UNCHANGED"}, "users that are fed again")
    users[5] |= {"last_name": "Changed"}
    fed = directory.BatchUpsertUsers(users=users).users
    equal([label(entry, "change") for entry in fed].index("CHANGE_UPDATED"), 5, "the user that is changed")
    too_many = directory.refusal("BatchUpsertUsers", users=users + users[:1])
    equal(too_many[0], "INVALID_ARGUMENT", "more users than one call takes")
    found = list_users(directory, active=True)
    holds({user["external_id"] for user in users} <= {user.external_id for user in found}, "users are not listed")
    return users


def feed_cases(run: Run, directory: Service) -> int:
    """Feeds cases, closes one, and returns the id of another."""
    cases = [{"external_id": run.word(), "name": f"Case {number}"} for number in range(BATCH)]
    fed = directory.BatchUpsertCases(cases=cases).cases
    equal(changes(fed), {"CHANGE_CREATED"}, "cases that are fed")
    equal(changes(directory.BatchUpsertCases(cases=cases).cases), {"CHANGE_UNCHANGED"}, "cases that are fed again")
    closed = directory.CloseCase(case={"external_id": cases[1]["external_id"]}).case
    equal((closed.id, label(closed, "status")), (fed[1].case.id, "CASE_STATUS_CLOSED"), "a closed case")
    got = directory.GetCase(case={"external_id": cases[0]["external_id"]}).case
    equal(got, fed[0].case, "a case by its external id")
    return got.id


def deactivate(directory: Service, tasks: Service, case_id: int, user: dict[str, str]) -> None:
    new = {"description": "Call", "assignee_emails": [user["email"]]}
    task = tasks.CreateTask(case_id=case_id, task=new).task
    key = {"external_id": user["external_id"]}
    holds(directory.DeactivateUser(user=key).user.HasField("deactivated_at"), "the user is not deactivated")
    refused = ("INVALID_ARGUMENT", "INVALID_REQUEST", {"task.assignee_emails[0]": "USER_DEACTIVATED"})
    equal(tasks.refusal("CreateTask", case_id=case_id, task=new), refused, "an assignment to a deactivated user")
    equal(tasks.GetTask(case_id=case_id, task_id=task.id).task, task, "the assignment that there was")
    active = [found.external_id for found in list_users(directory, active=True)]
    holds(user["external_id"] not in active, "the user is listed as active")
    directory.ReactivateUser(user=key)
    tasks.CreateTask(case_id=case_id, task=new)


def erase(
    run: Run, directory: Service, tasks: Service, cases: Service, database: Database,
    case_id: int, user: dict[str, str],
) -> int:  # fmt: skip
    """Erases a user who is known in many places. Returns how many columns had traces before."""
    new = {"description": "Call", "assignee_emails": [user["email"].upper()]}
    keys = [run.word() for _ in range(3)]
    single = tasks.CreateTask(case_id=case_id, task=new, request_id=keys[0]).task
    batch = {"case_id": case_id, "tasks": [new] * 3, "request_id": keys[1]}
    created = tasks.BatchCreateTasks(**batch).tasks
    cases.CreateCase(case={"name": "A case", "tasks": [new]}, request_id=keys[2])
    tasks.UpdateTask(case_id=case_id, task={"id": single.id, "update_mask": {"paths": ["assignee_emails"]}})
    user_id = created[0].assignees[0].id

    # The email, the names and the external id have it in common.
    word = user["external_id"].removeprefix("external")
    # Has Postgres keep samples, too.
    database.vacuum()
    before = database.places_of(word)
    places = {"users.email", "users.first_name", "users.last_name", "users.external_id", "idempotency_keys.last_names"}
    holds({f"public.{place}" for place in places} <= before, f"the search does not find it: {before}")

    erased = directory.EraseUser(user={"email": user["email"]}).user
    equal(erased.email, f"erased-{user_id}@erased.invalid", "the email of an erased user")
    holds(erased.HasField("erased_at"), "the user is not erased")
    database.vacuum()
    equal(database.places_of(word), set(), "traces of an erased user")

    equal(directory.refusal("GetUser", user={"email": user["email"]})[1], "USER_NOT_FOUND", "an erased user's email")
    kept = tasks.GetTask(case_id=case_id, task_id=created[0].id).task.assignees
    equal([(user.id, user.email) for user in kept], [(user_id, erased.email)], "the assignment that is kept")
    events = tasks.ListTaskEvents(case_id=case_id, task_id=single.id).task_events
    equal({assignee.email for event in events for assignee in event.users}, {erased.email}, "users of the history")
    # The repeat itself names the email.
    replayed, metadata = tasks.call("BatchCreateTasks", **batch)
    equal(metadata.get("idempotency-replayed"), "true", "a repeat after the erasure")
    equal({task.assignees[0].first_name for task in replayed.tasks}, {""}, "the name in a repeat")
    equal(database.places_of(word), set(), "traces after a repeat")
    holds(word not in run.system.log.read_text(errors="replace").lower(), "the log has traces")
    return len(before)


def list_users(directory: Service, **filters: bool) -> list:
    users, token = [], ""
    while True:
        page = directory.ListUsers(page_size=BATCH, page_token=token, **filters)
        users += page.users
        token = page.next_page_token
        if not token:
            return users


def changes(entries: list) -> set[str]:
    return {label(entry, "change") for entry in entries}
