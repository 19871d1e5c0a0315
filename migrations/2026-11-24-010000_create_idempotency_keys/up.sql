-- The requests that were made with an idempotency key, each with what the database added to it. A
-- repeat gets its result from here; the rest of that result is in the repeat itself, whose
-- fingerprint proves that it is the same request.
--
-- A tenant uses a key once, for one operation: the operation is not a part of the primary key, so
-- another operation with the same key finds this row and is refused.
CREATE TABLE idempotency_keys (
    tenant_id bigint NOT NULL,
    -- As the caller sent it.
    key text COLLATE "C" NOT NULL,
    -- The operation that the key was used for, as batch_create_tasks.
    operation text NOT NULL,
    -- The SHA-256 of what the request asks for.
    fingerprint bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- What the result needs beyond the request; empty for an operation that does not need it.
    -- The ids of its tasks, in the order of the request:
    task_ids bigint[] NOT NULL DEFAULT '{}',
    -- The users assigned to those tasks: for each assignment, in the order of the request, the
    -- user's id and names as they were at that time:
    user_ids bigint[] NOT NULL DEFAULT '{}',
    first_names text[] NOT NULL DEFAULT '{}',
    last_names text[] NOT NULL DEFAULT '{}',
    CONSTRAINT idempotency_keys_key_check CHECK (octet_length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_operation_check CHECK (operation ~ '^[a-z][a-z_]{0,62}$'),
    CONSTRAINT idempotency_keys_fingerprint_check CHECK (octet_length(fingerprint) = 32)
);

-- For the sweep, which deletes the oldest rows of a tenant.
CREATE INDEX idempotency_keys_age_idx ON idempotency_keys (tenant_id, created_at);

-- After the index above, for the reason given in the migration that creates `tasks`.
ALTER TABLE idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, key);
