-- Apart from the migration that adds the columns: that one keeps everybody from the table until it ends.
-- Meanwhile nobody can create, change or delete cases: with a million of them for about a second. Tasks
-- are created all the same: that reads and locks cases, which neither of these statements prevents.
ALTER TABLE cases
    VALIDATE CONSTRAINT cases_description_check,
    VALIDATE CONSTRAINT cases_priority_check,
    VALIDATE CONSTRAINT cases_status_check,
    VALIDATE CONSTRAINT cases_team_id_check,
    VALIDATE CONSTRAINT cases_external_id_check;

-- Partial, so that cases which nobody feeds have no entry. Lists of cases go along the primary key, and
-- check their filters there: a tenant has far fewer cases than tasks. So other changes of a case have no
-- index to write.
CREATE UNIQUE INDEX cases_external_id_key ON cases (tenant_id, external_id)
    WHERE external_id IS NOT NULL;
