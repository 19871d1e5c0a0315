//! The tables that `migrations/` creates, for Diesel.

diesel::table! {
    tenants (id) {
        id -> BigInt,
        name -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    api_keys (tenant_id, id) {
        tenant_id -> BigInt,
        id -> BigInt,
        name -> Text,
        digest -> Bytea,
        scopes -> Array<Text>,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
        replaced_by -> Nullable<BigInt>,
        allowed_networks -> Array<Cidr>,
    }
}

diesel::table! {
    tenant_hosts (host) {
        host -> Text,
        tenant_id -> BigInt,
        exclusive -> Bool,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    audit_heads (tenant_id) {
        tenant_id -> BigInt,
        last_number -> BigInt,
        last_hash -> Bytea,
        pruned_number -> BigInt,
        pruned_hash -> Bytea,
    }
}

diesel::table! {
    audit_entries (tenant_id, number) {
        tenant_id -> BigInt,
        number -> BigInt,
        hash -> Bytea,
        created_at -> Timestamptz,
        event -> Text,
        api_key_id -> Nullable<BigInt>,
        role -> Nullable<Text>,
        address -> Nullable<Text>,
        request_id -> Nullable<Text>,
        subject_id -> Nullable<BigInt>,
        details -> Text,
    }
}

diesel::table! {
    audit_outbox (tenant_id, id) {
        tenant_id -> BigInt,
        id -> BigInt,
        created_at -> Timestamptz,
        event -> Text,
        api_key_id -> BigInt,
        address -> Nullable<Text>,
        request_id -> Text,
        subject_id -> Nullable<BigInt>,
        created_ids -> Nullable<Array<BigInt>>,
        updated_ids -> Nullable<Array<BigInt>>,
        details -> Text,
    }
}

diesel::table! {
    users (tenant_id, id) {
        tenant_id -> BigInt,
        id -> BigInt,
        email -> Text,
        first_name -> Text,
        last_name -> Text,
        external_id -> Nullable<Text>,
        deactivated_at -> Nullable<Timestamptz>,
        erased_at -> Nullable<Timestamptz>,
        scrubbed_at -> Nullable<Timestamptz>,
        scrubbed_up_to -> Nullable<Text>,
    }
}

diesel::table! {
    cases (tenant_id, id) {
        tenant_id -> BigInt,
        id -> BigInt,
        name -> Text,
        created_at -> Timestamptz,
        description -> Text,
        priority -> Text,
        status -> Text,
        team_id -> Nullable<BigInt>,
        external_id -> Nullable<Text>,
        updated_at -> Timestamptz,
        deletion_until -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    tasks (tenant_id, id) {
        tenant_id -> BigInt,
        id -> BigInt,
        case_id -> BigInt,
        description -> Text,
        completed -> Bool,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        created_by -> Nullable<BigInt>,
        updated_by -> Nullable<BigInt>,
        creation_event_id -> Nullable<BigInt>,
    }
}

// Without xid, whose type Diesel does not know.
diesel::table! {
    task_events (tenant_id, id) {
        tenant_id -> BigInt,
        id -> BigInt,
        kind -> Text,
        case_id -> BigInt,
        task_id -> Nullable<BigInt>,
        task_ids -> Nullable<Array<BigInt>>,
        user_ends -> Nullable<Array<SmallInt>>,
        user_ids -> Nullable<Array<BigInt>>,
        assignee_ids -> Nullable<Array<BigInt>>,
        description -> Nullable<Text>,
        creation_event_id -> Nullable<BigInt>,
        api_key_id -> BigInt,
        request_id -> Text,
        created_at -> Timestamptz,
    }
}

// Without xid.
diesel::table! {
    creation_events (id, tenant_id) {
        id -> BigInt,
        tenant_id -> BigInt,
        case_id -> BigInt,
        api_key_id -> BigInt,
        created_at -> Timestamptz,
        task_ids -> Array<BigInt>,
        user_ends -> Array<SmallInt>,
        user_ids -> Nullable<Array<BigInt>>,
        request_id -> Text,
    }
}

diesel::table! {
    idempotency_keys (tenant_id, key) {
        tenant_id -> BigInt,
        key -> Text,
        operation -> Text,
        fingerprint -> Bytea,
        created_at -> Timestamptz,
        task_ids -> Array<BigInt>,
        user_ids -> Array<BigInt>,
        first_names -> Array<Text>,
        last_names -> Array<Text>,
        fingerprint_version -> SmallInt,
        case_id -> Nullable<BigInt>,
    }
}
