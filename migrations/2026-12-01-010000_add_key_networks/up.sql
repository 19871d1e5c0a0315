-- From which addresses an API key is accepted; none means every address. Replicas of the release before don't
-- know it, and accept the key from everywhere.
--
-- A column with a constant default is added without rewriting the table.
ALTER TABLE api_keys
    ADD COLUMN allowed_networks cidr[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT api_keys_networks_check CHECK (
        cardinality(allowed_networks) <= 100 AND array_position(allowed_networks, NULL) IS NULL
    );
