"""A long list is walked with page tokens, while tasks come and go."""

import random
import threading

from .imports import import_tasks, new_case
from .run import Run, equal, holds
from .services import Server, Service

PAGE = 50


class Rivals:
    """Creates and deletes tasks of a case in the background, all over the list."""

    def __init__(self, tasks: Service, case_id: int, ids: list[int], source: random.Random) -> None:
        self.tasks, self.case_id, self.random = tasks, case_id, source
        self.left = source.sample(ids, len(ids) // 20)
        self.chosen = frozenset(self.left)
        self.created: set[int] = set()
        self.deleted: set[int] = set()
        self.failure: BaseException | None = None
        self.begun, self.stopped = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Rivals":
        self.thread.start()
        self.begun.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()
        if self.failure:
            raise self.failure

    def _run(self) -> None:
        try:
            while not self.stopped.is_set():
                self._create()
                self._delete()
                self.begun.set()
        except BaseException as failure:
            self.failure = failure
            self.begun.set()

    def _create(self) -> None:
        new = [{"description": "Came later"}] * self.random.randint(1, 25)
        created = [task.id for task in self.tasks.BatchCreateTasks(case_id=self.case_id, tasks=new).tasks]
        self.created.update(created)
        # Some of them go again.
        self.left += created[::3]

    def _delete(self) -> None:
        self.random.shuffle(self.left)
        ids = [self.left.pop() for _ in range(min(len(self.left), self.random.randint(1, 10)))]
        if ids:
            # Before the call: the walk may meet a task that is about to go.
            self.deleted.update(ids)
            self.tasks.BatchDeleteTasks(case_id=self.case_id, task_ids=ids)


def check(run: Run) -> str:
    case_id = new_case(run, "walked")
    import_tasks(run, case_id)
    with Server(run.system.grpc_address) as server, Server(run.system.grpc_address) as other:
        tasks = server.tasks(run.system.key)
        initial, _ = walk(tasks, case_id)
        equal(len(initial), run.options.rows, "the tasks of a case that stays as it is")
        with Rivals(other.tasks(run.system.key), case_id, initial, run.random) as rivals:
            seen, deleted = walk(tasks, case_id, set(initial) - rivals.chosen)
        equal(seen == sorted(set(seen)), True, "each task is seen once, in the order of ids")
        stayed = set(initial) - rivals.deleted - set(deleted)
        equal(sorted(stayed - set(seen))[:5], [], "tasks that were missed")
        equal(sorted(set(seen) - set(initial) - rivals.created)[:5], [], "tasks that never were")
        holds(bool(deleted and rivals.created and rivals.deleted & set(initial)), "nothing came or went")
    return (
        f"{len(seen)} tasks were seen, each once, while {len(rivals.created)} came, "
        f"{len(rivals.deleted)} went, and {len(deleted)} at the end of a page"
    )


def walk(tasks: Service, case_id: int, deletable: set[int] = frozenset()) -> tuple[list[int], list[int]]:
    """Walks the list of a case. Now and then it deletes the task with which a page has ended, if it is one of
    these, before it asks for the next page.

    Returns the ids that it saw, and those of the tasks that it deleted.
    """
    seen, token, deleted = [], "", []
    while True:
        page = tasks.ListTasks(case_id=case_id, page_size=PAGE, page_token=token)
        seen += [task.id for task in page.tasks]
        token = page.next_page_token
        if not token:
            return seen, deleted
        if seen[-1] in deletable and len(seen) % (5 * PAGE) == 0:
            tasks.DeleteTask(case_id=case_id, task_id=seen[-1])
            deleted.append(seen[-1])
