//! One of the two tenants, and what it calls its cases, tasks and users.

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use domain::{ApiKey, Etag, Scope, TenantId};

use super::{
    operation::{Call, Name, Operation, Tag},
    outcome::{Case, Event, Outcome, Record, Success, Task, User},
};
use crate::support::{App, Session, new_key, populate};

/// The id of a case or a task that there never was.
const NEVER: i64 = 4_000_000_000;

/// A tenant with the three users of the API document, one who is deactivated, and a case. Its cases, tasks
/// and users are numbered in the order of their creation.
pub(super) struct Tenant {
    id: TenantId,
    first_case: i64,
    writer: ApiKey,
    reader: ApiKey,
    /// The numbers of the users by their ids.
    users: BTreeMap<String, usize>,
    cases: Vec<i64>,
    /// Each task, after its case.
    tasks: Vec<(i64, i64)>,
}

/// An operation, once it is known what its names stand for.
pub(super) struct Request<'a> {
    pub(super) key: ApiKey,
    pub(super) case: i64,
    /// The tasks that the call names, in its order.
    pub(super) tasks: Vec<i64>,
    /// The entity tags that the call sends, in the same order; of a call about a case, its one. Empty is no
    /// condition.
    pub(super) etags: Vec<String>,
    /// The tag that the one case or task to be changed has before.
    pub(super) tag_before: Option<String>,
    pub(super) operation: &'a Operation,
}

impl Tenant {
    pub(super) async fn create(app: &App, name: &str) -> Self {
        let (id, first_case) = populate(&app.admin, name).await;
        app.database.query(&format!(
            "INSERT INTO users (tenant_id, email, first_name, last_name, deactivated_at)
             VALUES ({id}, 'gone@example.com', 'Gone', 'Away', now())"
        ));
        let ids =
            app.database.query(&format!("SELECT id FROM users WHERE tenant_id = {id} ORDER BY id"));
        let users = ids.lines().enumerate().map(|(number, id)| (id.to_owned(), number)).collect();
        let mut keys = Vec::new();
        for scopes in [&Scope::ALL[..], &[Scope::TasksRead, Scope::CasesRead]] {
            let key = new_key();
            app.store_key(id, &key, scopes, None).await;
            keys.push(key);
        }
        let [writer, reader] = keys.try_into().unwrap();
        let (cases, tasks) = (vec![first_case], Vec::new());
        Self { id, first_case, writer, reader, users, cases, tasks }
    }

    /// Returns SQL that restores the state at the beginning, and forgets all cases and tasks but the first
    /// case.
    pub(super) fn clear(&mut self) -> String {
        self.cases = vec![self.first_case];
        self.tasks.clear();
        let (tenant, case) = (self.id, self.first_case);
        format!(
            "DELETE FROM cases WHERE tenant_id = {tenant}; \
             INSERT INTO cases (tenant_id, id, name) VALUES ({tenant}, {case}, 'A case');"
        )
    }

    /// Returns the request that an operation is now.
    pub(super) fn request<'a>(
        &self,
        operation: &'a Operation,
        other: &Self,
        session: &mut Session,
    ) -> Request<'a> {
        let named = operation.call.tasks();
        let found: Vec<(i64, i64)> =
            named.iter().map(|(name, _)| self.task(*name, other)).collect();
        let tasks: Vec<i64> = found.iter().map(|(_, id)| *id).collect();
        let case = match found.first() {
            Some((case, _)) if operation.is_in_case_of_task => *case,
            _ => self.case(operation.case, other),
        };
        // Over gRPC, it would be the list of all cases.
        let is_list = matches!(operation.call, Call::ListTasks { is_of_case: true, .. });
        let case = if is_list && case == 0 { NEVER } else { case };
        let (things, tags): (Vec<Thing>, Vec<Tag>) = match &operation.call {
            Call::UpdateCase { tag, .. } | Call::DeleteCase { tag } => {
                (vec![Thing::Case(case)], vec![*tag])
            }
            _ => {
                let things = tasks.iter().map(|id| Thing::Task(*id)).collect();
                (things, named.iter().map(|(_, tag)| *tag).collect())
            }
        };
        let mut current = things.iter().map(|thing| thing.tag(session)).collect::<Vec<_>>();
        let etags = tags.iter().zip(&current).map(|(tag, current)| tag.text(current.as_deref()));
        let etags = etags.collect();
        let is_of_one = matches!(operation.call, Call::UpdateCase { .. } | Call::UpdateTask { .. });
        let tag_before = if is_of_one { current.remove(0) } else { None };
        let key = if operation.is_reader { &self.reader } else { &self.writer }.clone();
        Request { key, case, tasks, etags, tag_before, operation }
    }

    /// Numbers what a call has created.
    pub(super) fn learn(&mut self, request: &Request<'_>, success: &Success) {
        for id in success.cases.iter().filter_map(|case| case.id) {
            if !self.cases.contains(&id) {
                self.cases.push(id);
            }
        }
        let case = success.cases.first().and_then(|case| case.id).unwrap_or(request.case);
        for id in success.tasks.iter().filter_map(|task| task.id) {
            if !self.tasks.iter().any(|(_, known)| *known == id) {
                self.tasks.push((case, id));
            }
        }
    }

    /// Returns how many cases and tasks were created.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.cases.len(), self.tasks.len())
    }

    /// Returns an outcome with numbers in the place of ids, and without what differs between tenants.
    pub(super) fn numbered(&self, outcome: Outcome) -> Outcome {
        outcome.map(|success| Success {
            cases: success.cases.into_iter().map(|case| self.numbered_case(case)).collect(),
            tasks: success.tasks.into_iter().map(|task| self.numbered_task(task)).collect(),
            events: success.events.into_iter().map(|event| self.numbered_event(event)).collect(),
            record: success.record.map(|record| self.numbered_record(record)),
            ..success
        })
    }

    fn numbered_case(&self, case: Case) -> Case {
        let id = case.id.map(|id| self.number_of_case(id));
        Case { id, times: case.times.map(|_| (0, 0)), ..case }
    }

    fn numbered_task(&self, task: Task) -> Task {
        Task {
            id: task.id.map(|id| self.number_of_task(id)),
            case: task.case.map(|id| self.number_of_case(id)),
            assignees: self.numbered_users(task.assignees),
            times: task.times.map(|_| (0, 0)),
            ..task
        }
    }

    fn numbered_event(&self, event: Event) -> Event {
        let ids = event.assignee_ids;
        Event {
            case: self.number_of_case(event.case),
            task: self.number_of_task(event.task),
            created_at: 0,
            users: event.users.map(|users| self.numbered_users(users)),
            assignee_ids: ids.map(|ids| ids.iter().map(|id| self.number_of_user(id)).collect()),
            ..event
        }
    }

    fn numbered_record(&self, record: Record) -> Record {
        Record {
            case: record.case.map(|id| self.number_of_case(id)),
            tasks: record.tasks.iter().map(|id| self.number_of_task(*id)).collect(),
            created_at: 0,
            ..record
        }
    }

    fn numbered_users(&self, users: Vec<User>) -> Vec<User> {
        let user = |user: User| User { id: self.number_of_user(&user.id), ..user };
        users.into_iter().map(user).collect()
    }

    fn number_of_case(&self, id: i64) -> i64 {
        number(self.cases.iter().position(|known| *known == id), id)
    }

    fn number_of_task(&self, id: i64) -> i64 {
        number(self.tasks.iter().position(|(_, known)| *known == id), id)
    }

    fn number_of_user(&self, id: &str) -> String {
        self.users.get(id).unwrap_or_else(|| panic!("user {id} is of another tenant")).to_string()
    }

    fn case(&self, name: Name, other: &Self) -> i64 {
        match name {
            Name::Ours(age) => self.cases.iter().rev().cycle().nth(age).copied().unwrap_or(NEVER),
            Name::Theirs => other.case(Name::Ours(0), self),
            Name::Never => NEVER,
            Name::Zero => 0,
            Name::Negative => -1,
        }
    }

    /// Returns a task, after its case.
    fn task(&self, name: Name, other: &Self) -> (i64, i64) {
        let of_first_case = |id| (self.first_case, id);
        match name {
            Name::Ours(age) => {
                let task = self.tasks.iter().rev().cycle().nth(age).copied();
                task.unwrap_or(of_first_case(NEVER))
            }
            Name::Theirs => other.task(Name::Ours(0), self),
            Name::Never => of_first_case(NEVER),
            Name::Zero => of_first_case(0),
            Name::Negative => of_first_case(-1),
        }
    }
}

fn number(position: Option<usize>, id: i64) -> i64 {
    let position = position.unwrap_or_else(|| panic!("{id} is of another tenant"));
    i64::try_from(position).unwrap()
}

/// Something that has an entity tag, by its id.
#[derive(Clone, Copy)]
enum Thing {
    Case(i64),
    Task(i64),
}

impl Thing {
    /// Returns the present tag, if it exists.
    fn tag(self, session: &mut Session) -> Option<String> {
        let (table, id) = match self {
            Self::Case(id) => ("cases", id),
            Self::Task(id) => ("tasks", id),
        };
        let micros = session.query(&format!(
            "SELECT (extract(epoch FROM updated_at) * 1000000)::bigint FROM {table} WHERE id = {id}"
        ));
        let updated_at = UNIX_EPOCH + Duration::from_micros(micros.parse().ok()?);
        Some(Etag::of(updated_at).to_string())
    }
}

/// Returns the present tag of the one case or task of a response.
pub(super) fn tag_of(success: &Success, session: &mut Session) -> Option<String> {
    let case = success.cases.first().and_then(|case| case.id).map(Thing::Case);
    let thing = case.or_else(|| success.tasks.first()?.id.map(Thing::Task));
    thing?.tag(session)
}

impl Tag {
    /// Returns the tag as it is sent; empty is none.
    fn text(self, current: Option<&str>) -> String {
        // What does not exist has none.
        let current = current.unwrap_or(r#""2""#);
        match self {
            Self::None => String::new(),
            Self::Star => "*".to_owned(),
            Self::Current => current.to_owned(),
            Self::OneOf => format!(r#""1", {current}"#),
            Self::Stale => r#""1","3""#.to_owned(),
            Self::Weak => format!("W/{current}"),
            Self::Text => "no tag".to_owned(),
        }
    }
}
