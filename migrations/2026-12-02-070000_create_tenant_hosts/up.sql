-- The host names that belong to tenants. On them the API keys of other tenants are not accepted.
--
-- Replicas of the release before know nothing of it, and accept every key on every host.
CREATE TABLE tenant_hosts (
    -- In lower case, with A-labels, without a port and without a dot at the end.
    host text COLLATE "C" NOT NULL,
    tenant_id bigint NOT NULL,
    -- Whether the tenant's keys are accepted on its own hosts only. It is the same for all hosts of a tenant; where
    -- it is not, one is enough.
    exclusive boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- A call says the host, and nobody knows yet for which tenant.
    CONSTRAINT tenant_hosts_pkey PRIMARY KEY (host),
    CONSTRAINT tenant_hosts_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT tenant_hosts_host_check CHECK (
        octet_length(host) <= 253
        AND host ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$'
        -- It would be an address.
        AND host !~ '(^|\.)[0-9]+$'
    )
);

CREATE INDEX tenant_hosts_tenant_idx ON tenant_hosts (tenant_id);

-- Servers keep all hosts in memory, and learn of a change where they learn of those of API keys. Those of the release
-- before look all keys up again then.
CREATE FUNCTION notify_tenant_host_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $$
BEGIN
    PERFORM pg_notify('caseload_api_keys', 'hosts');
    RETURN NULL;
END
$$;

CREATE TRIGGER tenant_hosts_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON tenant_hosts
    FOR EACH STATEMENT EXECUTE FUNCTION notify_tenant_host_change();
