"""Imports of the command line: how long they take, and whether they survive SIGKILL."""

import csv
import signal
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from .database import Database
from .run import Run, equal, holds
from .services import Server, label

# How often an import is begun anew that has ended before it was killed twice.
ATTEMPTS = 5
PAUSE = 0.002
COUNT = "SELECT count(*) FROM tasks WHERE case_id = %s"


def check(run: Run) -> str:
    rows = run.options.rows
    users = import_users(run)
    case_id = new_case(run, "imported")
    tasks = import_tasks(run, case_id)
    one_event_each(run, case_id)
    kills = import_with_kills(run)
    return f"{rows} users in {users:.1f} s, as many tasks in {tasks:.1f} s; killed after {kills}, each line is there once"


def import_users(run: Run) -> float:
    """Imports users, and returns the seconds."""
    word = run.word()
    header = ["email", "external_id", "first_name", "last_name"]
    numbers = range(run.options.rows)
    lines = ([f"{word}{number}@example.com", f"{word}{number}", f"First {number}", "Last"] for number in numbers)
    path = write(run, "users.csv", header, lines)
    return timed(run, run.system.admin_key, "admin", "import", str(path))


def import_tasks(run: Run, case_id: int) -> float:
    """Imports tasks, and returns the seconds."""
    path = task_file(run, "tasks.csv")
    return timed(run, run.system.key, "tasks", "import", str(path), "--case", str(case_id))


def timed(run: Run, key: str, *arguments: str) -> float:
    begin = time.monotonic()
    summary = run.system.run_import(key, *arguments)
    seconds = time.monotonic() - begin
    equal((summary["created"], summary["is_complete"]), (run.options.rows, True), f"{arguments}")
    limit = run.options.import_limit
    holds(limit is None or seconds < limit, f"{arguments} took {seconds:.1f} s")
    return seconds


def import_with_kills(run: Run) -> str:
    """Kills an import twice at random moments, and ends it. Returns after how many tasks it was killed."""
    path = task_file(run, "killed.csv")
    with Database(run.system.database_url) as database:
        for _ in range(ATTEMPTS):
            case_id = new_case(run, "killed")
            arguments = ["tasks", "import", str(path), "--case", str(case_id)]
            parts = (run.random.uniform(0, 0.45), run.random.uniform(0.5, 0.9))
            kills = [kill(run, database, arguments, case_id, int(part * run.options.rows)) for part in parts]
            if None not in kills:
                end_killed(run, database, arguments, case_id, kills[-1])
                return " and ".join(map(str, kills))
    raise AssertionError("the import is too fast to be killed: take more rows")


def kill(run: Run, database: Database, arguments: list[str], case_id: int, count: int) -> int | None:
    """Kills an import once there are more than so many tasks. Returns their number, or `None` if it had ended."""
    process = run.system.start_import(run.system.key, *arguments)
    while process.poll() is None and database.rows(COUNT, case_id)[0][0] <= count:
        time.sleep(PAUSE)
    process.kill()
    process.communicate()
    return database.rows(COUNT, case_id)[0][0] if process.returncode == -signal.SIGKILL else None


def end_killed(run: Run, database: Database, arguments: list[str], case_id: int, before: int) -> None:
    """Runs an import to its end that was killed when there were so many tasks."""
    summary = run.system.run_import(run.system.key, *arguments)
    equal(summary["created"] + summary["created_before"], run.options.rows, "the lines of the import")
    holds(summary["created_before"] >= before, f"tasks were created again: {summary}, {before} before")
    descriptions = database.rows("SELECT description FROM tasks WHERE case_id = %s", case_id)
    counts = Counter(description for (description,) in descriptions)
    found = {line: counts.pop(line, 0) for line in map(task, range(run.options.rows))}
    wrong = {line: count for line, count in found.items() if count != 1}
    equal((wrong, counts), ({}, {}), "lines that are not there once, and tasks of no line")


def one_event_each(run: Run, case_id: int) -> None:
    """Reads the events of some tasks."""
    with Server(run.system.grpc_address) as server:
        tasks = server.tasks(run.system.key)
        page = tasks.ListTasks(case_id=case_id, skip=run.random.randrange(run.options.rows - 50), page_size=50)
        for task in page.tasks:
            events = tasks.ListTaskEvents(case_id=case_id, task_id=task.id).task_events
            equal([label(event, "kind") for event in events], ["TASK_EVENT_KIND_CREATED"], f"events of task {task.id}")


def new_case(run: Run, name: str) -> int:
    with Server(run.system.grpc_address) as server:
        return server.cases(run.system.key).CreateCase(case={"name": name}).case.id


def task_file(run: Run, name: str) -> Path:
    """Writes a file with a task on each line, and returns its path."""
    header = ["description", "assignee_emails"]
    return write(run, name, header, ([task(number), "user1@example.com"] for number in range(run.options.rows)))


def task(number: int) -> str:
    return f"Task {number}"


def write(run: Run, name: str, header: list[str], lines: Iterable[list[str]]) -> Path:
    path = run.system.directory / name
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(lines)
    return path
