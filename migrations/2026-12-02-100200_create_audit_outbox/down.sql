-- What is not in the log yet would be lost.
DO $$
BEGIN
    IF EXISTS (SELECT FROM audit_outbox) THEN
        RAISE EXCEPTION 'the table audit_outbox has changes that are not in the audit log yet'
            USING HINT = 'Run a server of this release until the table is empty.';
    END IF;
END
$$;

DROP TABLE audit_outbox;
