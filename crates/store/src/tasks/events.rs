//! What was done to tasks.

use std::sync::LazyLock;

use diesel::{
    QueryResult,
    pg::{Pg, data_types::PgTimestamp},
    query_builder::AstPass,
    sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz},
};
use domain::{
    Assignees, Description, Error, EventId, EventPage, EventQuery, KeyId, Resource, TaskChange,
    TaskEvent, TaskKey, TenantId, UserId,
};

use super::row::{Users, to_users};
use crate::{
    database::Database,
    sql::{Parameters, Sql, Statement, bind},
    time::from_postgres,
};

/// Lists the events of a task.
pub(super) struct ListEvents;

/// Whether the case and the task exist, and the number of events in all.
type Head = (Bool, Bool, Nullable<BigInt>);

/// An event, null if there is none: its id, kind, description, API key and its name, request and time,
/// and all assignees after the change.
type Event = (
    Nullable<BigInt>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<BigInt>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Timestamptz>,
    Nullable<Array<BigInt>>,
);

/// The values of [`Event`].
type EventValues = (
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<PgTimestamp>,
    Option<Vec<i64>>,
);

impl Statement for ListEvents {
    type Columns = (
        Head,
        Event,
        (
            Nullable<Array<BigInt>>,
            Nullable<Array<Text>>,
            Nullable<Array<Text>>,
            Nullable<Array<Text>>,
        ),
    );

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| Sql::new(include_str!("events.sql")));
        &TEXT
    }
}

/// The parameters, as events.sql describes them.
struct Wanted {
    tenant: i64,
    case: i64,
    task: i64,
    after: i64,
    skip: i64,
    limit: i64,
    count_total: bool,
}

impl Parameters for &Wanted {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<BigInt, _>(&self.case),
            3 => out.push_bind_param::<BigInt, _>(&self.task),
            4 => out.push_bind_param::<BigInt, _>(&self.after),
            5 => out.push_bind_param::<BigInt, _>(&self.skip),
            6 => out.push_bind_param::<BigInt, _>(&self.limit),
            _ => out.push_bind_param::<Bool, _>(&self.count_total),
        }
    }
}

impl Database {
    /// Returns a page of what was done to a task, also to one that was deleted through the API, even if its
    /// case is gone since.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case or the case no such task, and there is no event
    /// of the task's deletion; [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_task_events(
        &self,
        tenant: TenantId,
        query: &EventQuery,
    ) -> Result<EventPage, Error> {
        let EventQuery { key, after, skip, page_size, count_total } = *query;
        let wanted = Wanted {
            tenant: tenant.get(),
            case: key.case.get(),
            task: key.task.get(),
            after: after.map_or(0, EventId::get),
            skip,
            // One more, to know whether there are more.
            limit: page_size + 1,
            count_total,
        };
        let (head, mut events) = self
            .list_scoped(tenant, "list_task_events", move |connection| {
                let rows: Vec<(HeadValues, EventValues, Users)> =
                    connection.load(bind(ListEvents, &wanted))?;
                let head = rows.first().map(|(head, ..)| *head);
                let events = rows.into_iter().filter_map(|(_, event, users)| {
                    let id = event.0?;
                    let invalid =
                        || crate::Error::internal(format!("event {id} has an invalid value"));
                    Some(to_event(key, event, users).ok_or_else(invalid))
                });
                Ok((head, events.collect::<Result<Vec<_>, _>>()?))
            })
            .await?;
        let (case_exists, task_exists, total) = head.unwrap_or_default();
        if !task_exists {
            return Err(Error::NotFound(match case_exists {
                true => Resource::Task(key.task),
                false => Resource::Case(key.case),
            }));
        }
        let page_size = usize::try_from(page_size).unwrap_or(usize::MAX);
        let has_more = events.len() > page_size;
        events.truncate(page_size);
        Ok(EventPage { events, has_more, total })
    }
}

/// The values of [`Head`].
type HeadValues = (bool, bool, Option<i64>);

/// Returns the event in a row; `None` if it is stored with an invalid value.
fn to_event(key: TaskKey, event: EventValues, users: Users) -> Option<TaskEvent> {
    let (id, kind, description, key_id, key_name, request_id, created_at, assignees) = event;
    let assignees = || {
        let after = assignees.unwrap_or_default().into_iter().map(UserId::new);
        Some(Assignees { users: to_users(users)?, after: after.collect::<Option<_>>()? })
    };
    let change = match kind?.as_str() {
        "created" => TaskChange::Created(assignees()?),
        "completed" => TaskChange::Completed,
        "reopened" => TaskChange::Reopened,
        "described" => TaskChange::Described(Description::parse(description?).ok()?),
        "assigned" => TaskChange::Assigned(assignees()?),
        "unassigned" => TaskChange::Unassigned(assignees()?),
        "deleted" => TaskChange::Deleted,
        _ => return None,
    };
    Some(TaskEvent {
        id: EventId::new(id?)?,
        case: key.case,
        task: key.task,
        change,
        key: KeyId::new(key_id?)?,
        key_name: key_name.unwrap_or_default(),
        request_id: request_id?,
        created_at: from_postgres(created_at?),
    })
}
