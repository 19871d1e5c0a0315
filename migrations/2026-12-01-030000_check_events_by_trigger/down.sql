CREATE FUNCTION is_event_of_one_task(event task_events) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN event.task_id IS NOT NULL
        AND event.kind IN (
            'completed', 'reopened', 'described', 'assigned', 'unassigned', 'deleted'
        )
        AND event.task_ids IS NULL
        AND event.user_ends IS NULL
        AND (event.assignee_ids IS NULL) = (event.kind NOT IN ('assigned', 'unassigned'))
        AND (event.description IS NULL) = (event.kind <> 'described');
END
$$;

ALTER TABLE task_events
    ADD CONSTRAINT task_events_kind_check CHECK (
        kind = 'created'
            AND task_id IS NULL
            AND task_ids IS NOT NULL
            AND user_ends IS NOT NULL
            AND assignee_ids IS NULL
            AND description IS NULL
        OR is_event_of_one_task(task_events)
    ) NOT VALID;

DROP TRIGGER task_events_of_one_task ON task_events;
DROP FUNCTION check_event_of_one_task();
