ALTER TABLE task_events
    DROP CONSTRAINT task_events_kind_check,
    ADD CONSTRAINT task_events_kind_check CHECK (
        kind IN (
            'created', 'completed', 'reopened', 'described', 'assigned', 'unassigned', 'deleted'
        )
    ) NOT VALID,
    ADD CONSTRAINT task_events_task_check CHECK (
        (task_id IS NULL) = (kind = 'created')
            AND (task_ids IS NULL) = (kind <> 'created')
            AND (user_ends IS NULL) = (kind <> 'created')
            AND (assignee_ids IS NULL) = (kind NOT IN ('assigned', 'unassigned'))
            AND (description IS NULL) = (kind <> 'described')
    ) NOT VALID;

DROP FUNCTION is_event_of_one_task(task_events);
