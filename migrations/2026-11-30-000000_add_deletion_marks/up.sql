-- A case in which tasks are created all the time can't be locked: each new task locks the case in a way that
-- lets others do the same, and doesn't wait for whoever wants it for itself. So who wants to delete it
-- says so here, and those who create tasks in it wait for an advisory lock from then on.
--
-- The column has no default, so the table is not rewritten. Replicas of the release before don't know it,
-- and go on as before.
ALTER TABLE cases
    -- Until when somebody may be deleting the case. What is past has no meaning.
    ADD COLUMN deletion_until timestamptz;
