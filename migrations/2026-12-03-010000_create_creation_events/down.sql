-- What is committed before it can be locked is copied, and nothing after that is written into it.
LOCK TABLE creation_events IN ACCESS EXCLUSIVE MODE;

INSERT INTO task_events
    (
        tenant_id, id, kind, case_id, task_ids, user_ends, user_ids, api_key_id, request_id, created_at, xid
    )
SELECT
    e.tenant_id, e.id, 'created', e.case_id, e.task_ids, e.user_ends, e.user_ids, e.api_key_id, e.request_id,
    e.created_at, e.xid
FROM creation_events AS e
ORDER BY e.id;

DROP TABLE creation_events;
