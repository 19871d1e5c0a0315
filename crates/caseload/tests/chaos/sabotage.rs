//! Deliberate defects, which the test must detect.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sabotage {
    /// Postgres acknowledges a commit before it is durable, and is killed
    EarlyAcknowledgement,
    /// Clients repeat a batch, or the creation of a case, with another idempotency key
    NewIds,
    /// Clients write what was given up because its time was over
    LateWrites,
    /// Clients make old changes again
    OldChanges,
    /// The database drops some of the events
    LostEvents,
    /// The database drops some of the tasks with which cases are created
    LostTasks,
    /// The database ignores some of the changes of cases and users
    IgnoredChanges,
    /// The database brings some of the deleted cases back, with a task
    ReturningCases,
    /// The database keeps the names of erased users with idempotency keys
    KeptNames,
}

impl Sabotage {
    /// Returns the SQL that makes the database defective, if it is to be.
    pub(crate) fn sql(self) -> Option<&'static str> {
        match self {
            Self::EarlyAcknowledgement | Self::NewIds | Self::LateWrites | Self::OldChanges => None,
            Self::LostEvents => Some(LOST_EVENTS),
            Self::LostTasks => Some(LOST_TASKS),
            Self::IgnoredChanges => Some(IGNORED_CHANGES),
            Self::ReturningCases => Some(RETURNING_CASES),
            Self::KeptNames => Some(KEPT_NAMES),
        }
    }
}

/// Drops one event in twenty.
const LOST_EVENTS: &str = "
    CREATE FUNCTION drop_event() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER drop_event BEFORE INSERT ON task_events
        FOR EACH ROW WHEN (NEW.id % 20 = 0) EXECUTE FUNCTION drop_event();
    CREATE TRIGGER drop_creation BEFORE INSERT ON creation_events
        FOR EACH ROW WHEN (NEW.id % 20 = 0) EXECUTE FUNCTION drop_event()";

/// Drops one in five of the tasks that nobody is assigned to.
const LOST_TASKS: &str = "
    CREATE FUNCTION drop_task() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER drop_task BEFORE INSERT ON tasks FOR EACH ROW
        WHEN (
            NEW.id % 5 = 0 AND NEW.description LIKE 'chaos-8%'
            AND split_part(NEW.description, ' ', 4) = '0'
        )
        EXECUTE FUNCTION drop_task()";

/// Ignores one in ten of the changes that set a name.
const IGNORED_CHANGES: &str = "
    CREATE FUNCTION ignore_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER ignore_change BEFORE UPDATE ON cases FOR EACH ROW
        WHEN (OLD.name <> NEW.name AND hashtext(NEW.name) % 10 = 0)
        EXECUTE FUNCTION ignore_change();
    CREATE TRIGGER ignore_change BEFORE UPDATE ON users FOR EACH ROW
        WHEN (OLD.email <> NEW.email AND NEW.erased_at IS NULL AND hashtext(NEW.email) % 10 = 0)
        EXECUTE FUNCTION ignore_change()";

/// Brings one in ten of the deleted cases back.
const RETURNING_CASES: &str = "
    CREATE FUNCTION return_case() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO cases SELECT OLD.*;
        INSERT INTO tasks (tenant_id, case_id, description)
            VALUES (OLD.tenant_id, OLD.id, 'left behind edited');
        RETURN NULL;
    END $$;
    CREATE TRIGGER return_case AFTER DELETE ON cases
        FOR EACH ROW WHEN (OLD.id % 10 = 0) EXECUTE FUNCTION return_case()";

/// Ignores all changes of the records of idempotency keys.
const KEPT_NAMES: &str = "
    CREATE FUNCTION keep_names() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER keep_names BEFORE UPDATE ON idempotency_keys
        FOR EACH ROW EXECUTE FUNCTION keep_names()";
