-- What has not been moved to the log by then is lost.
DROP TABLE audit_outbox;
