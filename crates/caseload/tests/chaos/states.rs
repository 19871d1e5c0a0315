//! The states that cases and users have had, as the database records them.

use std::collections::HashMap;

use crate::psql::Psql;

/// Records each state of each case and each user, in the transaction that makes it. That of a user has no
/// name in it: nothing may be left of one who is erased.
pub(crate) const CREATE: &str = "
    CREATE TABLE states (
        no bigint GENERATED ALWAYS AS IDENTITY,
        kind text NOT NULL,
        id bigint NOT NULL,
        state text NOT NULL
    );
    CREATE FUNCTION state_of(c cases) RETURNS text LANGUAGE sql AS $$
        SELECT concat_ws('/', c.name, c.description, c.priority, c.status, coalesce(c.team_id::text, ''))
    $$;
    CREATE FUNCTION state_of(u users) RETURNS text LANGUAGE sql AS $$
        SELECT CASE
            WHEN u.erased_at IS NOT NULL THEN 'erased'
            WHEN (u.first_name, u.last_name, u.email)
                <> (n.name || ' First', n.name || ' Last', n.name || '@example.com')
                OR u.external_id IS DISTINCT FROM regexp_replace(n.name, '-[0-9]+$', '')
                THEN 'mixed'
            ELSE substring(n.name FROM '[0-9]+$')
                || CASE WHEN u.deactivated_at IS NULL THEN ' active' ELSE ' inactive' END
        END
        FROM (SELECT split_part(u.first_name, ' ', 1) AS name) AS n
    $$;
    CREATE FUNCTION record_state() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' THEN
            INSERT INTO states (kind, id, state) VALUES (TG_TABLE_NAME, OLD.id, 'deleted');
        ELSIF TG_OP = 'INSERT' THEN
            INSERT INTO states (kind, id, state) VALUES (TG_TABLE_NAME, NEW.id, state_of(NEW));
        ELSIF state_of(OLD) <> state_of(NEW) THEN
            INSERT INTO states (kind, id, state) VALUES (TG_TABLE_NAME, NEW.id, state_of(NEW));
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER record_state AFTER INSERT OR UPDATE OR DELETE ON cases
        FOR EACH ROW EXECUTE FUNCTION record_state();
    CREATE TRIGGER record_state AFTER INSERT OR UPDATE OR DELETE ON users
        FOR EACH ROW EXECUTE FUNCTION record_state()";

/// What the database has recorded of all cases, or of all users.
pub(crate) struct Recorded {
    /// The states of each, in their order, by its id.
    pub(crate) made: HashMap<i64, Vec<String>>,
    /// The state of each that exists.
    pub(crate) stored: HashMap<i64, String>,
}

impl Recorded {
    /// Reads what was recorded of the rows of a table.
    pub(crate) fn of(table: &str, database: &Psql) -> Self {
        let mut made: HashMap<i64, Vec<String>> = HashMap::new();
        let states = format!("SELECT id, state FROM states WHERE kind = '{table}' ORDER BY no");
        for (id, state) in lines(&database.run(&states)) {
            made.entry(id).or_default().push(state);
        }
        let stored = database.run(&format!("SELECT r.id, state_of(r) FROM {table} AS r"));
        let stored = lines(&stored).filter(|(id, _)| made.contains_key(id)).collect();
        Self { made, stored }
    }

    /// Returns the ids of cases by the names under which clients know them: the name of the first state
    /// without the number of the change.
    pub(crate) fn named(&self) -> HashMap<String, Vec<i64>> {
        let mut named: HashMap<String, Vec<i64>> = HashMap::new();
        for (id, states) in &self.made {
            let first = states[0].split(' ').next().unwrap_or_default();
            if let Some((name, _)) = first.rsplit_once('-') {
                named.entry(name.to_owned()).or_default().push(*id);
            }
        }
        named
    }
}

fn lines(text: &str) -> impl Iterator<Item = (i64, String)> {
    text.lines().map(|line| {
        let (id, state) = line.split_once('|').unwrap();
        (id.parse().unwrap(), state.to_owned())
    })
}
