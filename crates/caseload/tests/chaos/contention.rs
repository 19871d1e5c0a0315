//! The actor that does to the data what other sessions, a standby and a tenant may do: it locks rows,
//! lets commits wait for a standby, and floods.

use std::{thread, time::Duration};

use crate::{
    batch::{LAST_CASE, TENANTS},
    faults::Actor,
    flood::Flood,
    psql::Psql,
};

/// The pause between two attempts to end the wait for a standby, while Postgres is down.
const PAUSE: Duration = Duration::from_millis(100);

/// Deletes the newest idempotency keys.
const DELETE_KEYS: &str = "DELETE FROM idempotency_keys WHERE (tenant_id, key) IN
    (SELECT tenant_id, key FROM idempotency_keys ORDER BY created_at DESC LIMIT 100)";

impl Actor {
    /// Locks rows, lets commits wait for a standby that does not exist, and floods as one tenant.
    pub(crate) fn disrupt_data(mut self, psql: &Psql, flood: &Flood) {
        let mut floods = 0;
        while self.wait_for_next(500, 2500) {
            let tenant = self.random.below(TENANTS);
            let seconds = self.random.millis(200, 4000).as_secs_f64();
            let id = tenant + 1;
            let lock = |table| format!("SELECT 1 FROM {table} WHERE tenant_id = {id} FOR UPDATE");
            let lock_tasks = format!(
                "SELECT 1 FROM tasks WHERE tenant_id = {id}
                 AND (description LIKE '% edited' OR case_id > {LAST_CASE}) FOR UPDATE"
            );
            match self.random.below(10) {
                0 | 1 => self.hold(psql, "rows of cases locked", &lock("cases"), seconds),
                2 | 3 => self.hold(psql, "rows of users locked", &lock("users"), seconds),
                // Taken back in the end. Repeats have to wait for it meanwhile.
                4 | 5 => self.hold(psql, "rows of tasks locked", &lock_tasks, seconds),
                6 => self.hold(psql, "idempotency keys locked", DELETE_KEYS, seconds),
                7 | 8 => self.freeze_standby(psql, Duration::from_secs_f64(seconds)),
                _ => {
                    self.report.fault("flood of one tenant".to_owned());
                    flood.run(floods, tenant, &mut self.random);
                    floods += 1;
                }
            }
        }
    }

    /// Runs a statement in a transaction that is open for a while and then rolled back. Fails if
    /// Postgres is down, or the statement itself has to wait for too long.
    fn hold(&self, psql: &Psql, what: &str, statement: &str, seconds: f64) {
        let transaction = format!(
            "BEGIN; SET LOCAL lock_timeout = '2s'; {statement}; SELECT pg_sleep({seconds}); ROLLBACK"
        );
        if psql.succeeds(&transaction) {
            self.report.fault(what.to_owned());
        }
    }

    /// Lets commits wait for a standby that does not answer.
    fn freeze_standby(&self, psql: &Psql, duration: Duration) {
        if psql.succeeds("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            && psql.succeeds("SELECT pg_reload_conf()")
        {
            self.report.fault("standby frozen".to_owned());
            thread::sleep(duration);
        }
        while !psql.succeeds("ALTER SYSTEM RESET synchronous_standby_names")
            || !psql.succeeds("SELECT pg_reload_conf()")
        {
            thread::sleep(PAUSE);
        }
    }
}
