DROP INDEX cases_changed_idx;
