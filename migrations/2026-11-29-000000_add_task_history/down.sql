DROP TABLE task_events;
ALTER TABLE tasks
    DROP COLUMN creation_event_id,
    DROP COLUMN updated_by,
    DROP COLUMN created_by;
