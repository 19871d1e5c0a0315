-- For services that follow the changes of cases: the list of the directory with updated_after. It goes along this
-- index, so a page costs what it has, however many cases there are, and however many were changed at one time,
-- as by the migration that added the column. A new case writes one entry more. A change of a case has written none
-- so far, and writes one in each index of the table now, as its row can't stay on the page as a heap-only tuple. The
-- mark of a deletion writes none, nor does anything about tasks.
--
-- Meanwhile nobody can create, change or delete cases: with a million of them for about a second. Tasks are created
-- all the same: that reads and locks cases, which this does not prevent.
CREATE INDEX cases_changed_idx ON cases (tenant_id, updated_at, id);
