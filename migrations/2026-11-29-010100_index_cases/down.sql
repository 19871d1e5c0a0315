DROP INDEX cases_external_id_key;
