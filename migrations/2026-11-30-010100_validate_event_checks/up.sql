-- Apart from the migration before: this one reads the table, while everybody goes on.
ALTER TABLE task_events VALIDATE CONSTRAINT task_events_kind_check;
