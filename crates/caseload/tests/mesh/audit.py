"""Compares the outcomes that were reported to clients with what is in the database."""

from collections import Counter

import psycopg

from .load import TASKS, Batch, Load, Outcome
from .run import Run, holds


# The name of each batch of a case, and its tasks.
STORED = """
SELECT split_part(description, ' ', 1), array_agg(id ORDER BY id) FROM tasks WHERE case_id = %s GROUP BY 1
"""


class Audit:
    """What became of the batches of a load."""

    def __init__(self, run: Run, load: Load) -> None:
        run.programs.check()
        with psycopg.connect(run.system.database_url, autocommit=True) as connection:
            rows = connection.execute(STORED, [load.case_id]).fetchall()
        stored = dict(rows)
        self.load = load
        self.findings: list[tuple[str, Batch]] = []
        self.doubled = {True: 0, False: 0}
        """Batches that were created more than once, with and without an idempotency key."""
        for batch in load.batches:
            self._judge(batch, stored.pop(batch.name, []))
        holds(not stored, f"batches that nobody has sent: {stored}")

    def _judge(self, batch: Batch, ids: list[int]) -> None:
        if len(ids) > TASKS:
            self.doubled[batch.has_key] += 1
        elif len(ids) not in (0, TASKS):
            self.findings.append(("partial", batch))
        if batch.outcome is Outcome.CREATED and not set(batch.ids) <= set(ids):
            self.findings.append(("lost", batch))
        if batch.outcome is Outcome.NOTHING_WRITTEN and ids:
            self.findings.append(("misread: nothing was written, they said", batch))
        if batch.has_key and batch.outcome is not Outcome.CREATED:
            self.findings.append(("never created", batch))

    def require(self, *, keyless_doubled: bool = False) -> str:
        """Fails if a batch is lost, misread or doubled, or if nothing has happened. Returns the figures."""
        holds(not self.findings, f"{len(self.findings)} findings, the first ones: {self.findings[:5]}")
        holds(self.doubled[True] == 0, f"{self.doubled[True]} batches with a key were doubled")
        if keyless_doubled:
            holds(self.doubled[False] > 0, "no batch without a key was doubled: the check finds nothing")
        else:
            holds(self.doubled[False] == 0, f"{self.doubled[False]} batches without a key were doubled")
        outcomes = Counter(batch.outcome for batch in self.load.batches)
        for client in "gRPC", "REST":
            for has_key in False, True:
                created = sum(
                    batch.outcome is Outcome.CREATED and (batch.client, batch.has_key) == (client, has_key)
                    for batch in self.load.batches
                )
                holds(created > 10, f"only {created} batches over {client}, key: {has_key}")
        return (
            f"{outcomes[Outcome.CREATED]} batches created, {outcomes[Outcome.UNKNOWN]} with unknown outcomes, "
            f"{outcomes[Outcome.NOTHING_WRITTEN]} refused, {self.doubled[False]} doubled"
        )
