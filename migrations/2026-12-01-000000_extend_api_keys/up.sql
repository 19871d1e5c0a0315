-- When keys were used, which key took the place of which, and a notification of each change of a key.
--
-- The columns have no defaults, so the table is not rewritten, and replicas of the release before go on
-- without them.
ALTER TABLE api_keys
    -- The last minute in which a server accepted the key.
    ADD COLUMN last_used_at timestamptz,
    -- The key that was created to take the place of this one.
    ADD COLUMN replaced_by bigint,
    ADD CONSTRAINT api_keys_replaced_by_fkey
        FOREIGN KEY (tenant_id, replaced_by) REFERENCES api_keys (tenant_id, id);

-- Servers keep keys in memory. Whoever changes a key, be it a program of another release or a person with
-- psql, tells them by this trigger. The digest names the key, and proves nothing: the key can't be
-- found by it.
CREATE FUNCTION notify_api_key_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $$
BEGIN
    PERFORM pg_notify('caseload_api_keys', encode(OLD.digest, 'hex'));
    RETURN NULL;
END
$$;

CREATE TRIGGER api_keys_deleted AFTER DELETE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION notify_api_key_change();

-- Not for what servers write themselves, once a minute for each key in use.
CREATE TRIGGER api_keys_changed AFTER UPDATE ON api_keys
    FOR EACH ROW WHEN (to_jsonb(NEW) - 'last_used_at' <> to_jsonb(OLD) - 'last_used_at')
    EXECUTE FUNCTION notify_api_key_change();
