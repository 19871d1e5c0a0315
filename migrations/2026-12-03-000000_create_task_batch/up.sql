-- What the statement that creates batches of tasks is told of each batch. No column has this type: a parameter of the
-- statement is an array of it. To read nine numbers and texts from a row of a type is cheaper than to take each out of an
-- array by an expression, which Postgres prepares anew each time that the statement runs.
--
-- Replicas of the release before do not use it. It must never be changed or replaced: sessions that are open know it by
-- its number and its columns. A statement that needs others gets a type with another name, and this one is dropped a
-- release later.
CREATE TYPE task_batch AS (
    -- Tasks and emails are numbered from 1 through all batches of a statement.
    first_task integer,
    last_task integer,
    first_email integer,
    last_email integer,
    tenant_id bigint,
    case_id bigint,
    api_key_id bigint,
    request_id text,
    -- For each task, how many emails belong to it and to the tasks of the batch before it.
    user_ends smallint[]
);
