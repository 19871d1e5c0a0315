-- The same rules for the event of one task, as a trigger. Postgres reads the text of a check constraint anew in
-- each statement that inserts a row, whether or not its first words decide; of a trigger it reads the condition,
-- which is one word here. That is a thirtieth of the statement that creates one batch.
--
-- The event of a batch has no task, and is not checked further: one statement writes it.
CREATE FUNCTION check_event_of_one_task() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind IN ('completed', 'reopened', 'described', 'assigned', 'unassigned', 'deleted')
        AND NEW.task_ids IS NULL
        AND NEW.user_ends IS NULL
        AND (NEW.assignee_ids IS NULL) = (NEW.kind NOT IN ('assigned', 'unassigned'))
        AND (NEW.description IS NULL) = (NEW.kind <> 'described')
    THEN
        RETURN NEW;
    END IF;
    RAISE check_violation USING
        MESSAGE = format('an event of kind %L of a task lacks columns, or has too many', NEW.kind);
END
$$;

CREATE TRIGGER task_events_of_one_task
    BEFORE INSERT OR UPDATE ON task_events
    FOR EACH ROW WHEN (NEW.task_id IS NOT NULL)
    EXECUTE FUNCTION check_event_of_one_task();

ALTER TABLE task_events DROP CONSTRAINT task_events_kind_check;

DROP FUNCTION is_event_of_one_task(task_events);
