-- The events of creations, one for each batch: what task_events has with the kind created. In a table of its own it costs
-- a batch less: no trigger, no partial index, no columns that are always null, and a primary key whose new entries come
-- last.
--
-- Nothing is copied: task_events keeps the events of creations that it has until they expire, and servers from before
-- this migration go on writing theirs into it. They list tasks that newer servers create without the event of their
-- creation, and don't sweep this table.
CREATE TABLE creation_events (
    -- From the sequence of task_events, so that the ids of a task's events ascend.
    id bigint NOT NULL,
    tenant_id bigint NOT NULL,
    case_id bigint NOT NULL,
    -- The API key and the request by which it was done. The key is no foreign key: see tasks.
    api_key_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    -- The tasks of the batch, in the order of the request.
    task_ids bigint[] NOT NULL,
    -- For each task, how many of user_ids belong to it and to the tasks before it.
    user_ends smallint[] NOT NULL,
    -- The assignees of all tasks, in order. Null if there are none.
    user_ids bigint[],
    request_id text NOT NULL,
    -- The id leads, as nobody looks for the events of a tenant, and ids ascend: a new entry belongs at the end of the
    -- index or close to it. Postgres remembers the last page, and mostly needs no search from the root.
    CONSTRAINT creation_events_pkey PRIMARY KEY (id, tenant_id)
)
-- As in task_events, for the sweep.
WITH (autovacuum_vacuum_scale_factor = 0.01);
