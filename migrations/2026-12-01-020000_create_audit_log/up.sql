-- What was administered, and how API keys were used: the audit log. The entries of a tenant are a chain:
-- each has the hash of itself and the one before. Rows are never changed.
--
-- Replicas of the release before know nothing of it, and go on.

-- The two ends of each tenant's log. Whoever appends locks the row, so the numbers have no gaps.
CREATE TABLE audit_heads (
    tenant_id bigint NOT NULL,
    -- The last entry.
    last_number bigint NOT NULL DEFAULT 0,
    last_hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    -- The last entry that was deleted because of its age.
    pruned_number bigint NOT NULL DEFAULT 0,
    pruned_hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    CONSTRAINT audit_heads_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT audit_heads_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT audit_heads_number_check CHECK (pruned_number BETWEEN 0 AND last_number),
    CONSTRAINT audit_heads_hash_check CHECK (
        octet_length(last_hash) = 32 AND octet_length(pruned_hash) = 32
    )
);

CREATE TABLE audit_entries (
    tenant_id bigint NOT NULL,
    -- From 1, without gaps.
    number bigint NOT NULL,
    -- The hash of this entry and the hash of the one before.
    hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    -- What happened, as key.revoked.
    event text NOT NULL,
    -- Who did it: the API key of a call, or the role of a session with the database.
    api_key_id bigint,
    role text,
    -- From where.
    address text,
    request_id text,
    -- The id of the key, user or case that it is about.
    subject_id bigint,
    -- Words and numbers, as scopes=admin.
    details text NOT NULL,
    CONSTRAINT audit_entries_pkey PRIMARY KEY (tenant_id, number),
    CONSTRAINT audit_entries_head_fkey FOREIGN KEY (tenant_id) REFERENCES audit_heads (tenant_id),
    CONSTRAINT audit_entries_number_check CHECK (number > 0),
    CONSTRAINT audit_entries_hash_check CHECK (octet_length(hash) = 32),
    CONSTRAINT audit_entries_event_check CHECK (event ~ '^[a-z]+\.[a-z_]+$')
);

-- For lists since a time.
CREATE INDEX audit_entries_time_idx ON audit_entries (tenant_id, created_at);
