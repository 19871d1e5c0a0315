-- The batches that were created under a request id, each with what the database added to it. A
-- repeat is answered from here: all else that the answer has is in the repeat itself, whose
-- fingerprint shows that it is the same request.
CREATE TABLE task_batch_requests (
    tenant_id bigint NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- In the order of the batch: its tasks, then the users of all of its assignments.
    task_ids bigint[] NOT NULL,
    user_ids bigint[] NOT NULL,
    first_names text[] NOT NULL,
    last_names text[] NOT NULL,
    CONSTRAINT task_batch_requests_request_id_check CHECK (
        octet_length(request_id) BETWEEN 1 AND 255
    ),
    CONSTRAINT task_batch_requests_fingerprint_check CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT task_batch_requests_task_ids_check CHECK (cardinality(task_ids) > 0)
);

-- What the sweep of old ones reads.
CREATE INDEX task_batch_requests_age_idx ON task_batch_requests (tenant_id, created_at);

-- After the index above, for the reason that `tasks` has.
ALTER TABLE task_batch_requests
    ADD CONSTRAINT task_batch_requests_pkey PRIMARY KEY (tenant_id, request_id);
