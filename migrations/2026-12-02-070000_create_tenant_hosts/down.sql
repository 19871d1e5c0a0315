DROP TABLE tenant_hosts;
DROP FUNCTION notify_tenant_host_change();
