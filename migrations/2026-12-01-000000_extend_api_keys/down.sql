DROP TRIGGER api_keys_changed ON api_keys;
DROP TRIGGER api_keys_deleted ON api_keys;
DROP FUNCTION notify_api_key_change();
ALTER TABLE api_keys
    DROP COLUMN replaced_by,
    DROP COLUMN last_used_at;
