//! The model: what the service is to do, in the plainest form.

mod cases;
mod tasks;
mod users;

use std::collections::BTreeMap;

use super::{
    caller::Caller,
    history::Event,
    operation::{Action, Operation, Request, Whose},
    state::{Case, Outcome, Person, Task, User},
};

/// The id of a user, a case or a task that never existed.
const NOTHING: i64 = 4_000_000_000;

/// A task that exists.
struct StoredTask {
    tenant: i64,
    case: i64,
    description: String,
    /// The ids of the assignees, in order.
    assignees: Vec<i64>,
}

/// The request that has used a key, and what came of it.
struct Record {
    request: Request,
    creation: Creation,
    tasks: Vec<Task>,
}

/// What a request to create tasks asks for: the case, and for each task the description and the emails.
type Creation = (i64, Vec<(String, Vec<String>)>);

/// Everything that the service is to know.
#[derive(Default)]
pub(super) struct Model {
    /// Users, and further below cases, with their tenants.
    users: BTreeMap<i64, (i64, User)>,
    cases: BTreeMap<i64, (i64, Case)>,
    tasks: BTreeMap<i64, StoredTask>,
    records: BTreeMap<(i64, u8), Record>,
    /// The ids of all users and cases that were ever created, and those of all tasks after their cases'.
    created_users: Vec<i64>,
    created_cases: Vec<i64>,
    created_tasks: Vec<(i64, i64)>,
    /// What was done to each task that was ever created, after its tenant.
    histories: BTreeMap<i64, (i64, Vec<Event>)>,
}

impl Model {
    /// Adds a user who is there from the beginning, called First Last.
    pub(super) fn add_user(&mut self, tenant: i64, id: i64, email: &str) {
        let user = User {
            id: Some(id),
            external_id: String::new(),
            email: email.to_owned(),
            first_name: "First".to_owned(),
            last_name: "Last".to_owned(),
            is_active: true,
            is_erased: false,
        };
        self.users.insert(id, (tenant, user));
        self.created_users.push(id);
    }

    /// Adds a case that is there from the beginning.
    pub(super) fn add_case(&mut self, tenant: i64, id: i64, name: &str) {
        let external_id = Some(String::new());
        let case = Case { id: Some(id), external_id, ..Case::new(name) };
        self.cases.insert(id, (tenant, case));
        self.created_cases.push(id);
    }

    /// Returns the request that an operation of a caller of this tenant is now.
    pub(super) fn request(&self, tenant: i64, operation: &Operation) -> Request {
        let mut operation = operation.clone();
        if let Action::Repeat(key) = operation.action {
            if let Some(Record { request, .. }) = self.records.get(&(tenant, key)) {
                let Operation { caller, is_over_rest, .. } = operation;
                operation = Operation { caller, is_over_rest, ..request.operation.clone() };
                return Request { operation, ..request.clone() };
            }
            operation.action = Action::GetTask;
        }
        let is_any = operation.whose == Whose::Anybodys;
        let users = self.created_users.iter().copied();
        let users = users.filter(|id| is_any || self.users[id].0 == tenant);
        let is_ours = |id: &i64| self.cases.get(id).is_some_and(|(other, _)| *other == tenant);
        let cases = self.created_cases.iter().copied().filter(|id| is_any || is_ours(id));
        let tasks = self.created_tasks.iter().copied();
        let tasks = tasks.filter(|(case, _)| is_any || is_ours(case));
        let user = nth_last(users, operation.user).unwrap_or(NOTHING);
        let case = nth_last(cases, operation.case).unwrap_or(NOTHING);
        let task = nth_last(tasks, operation.task).unwrap_or((NOTHING, NOTHING));
        let is_about_task = matches!(operation.action, Action::GetTask | Action::Assign(_));
        let case = if is_about_task { task.0 } else { case };
        Request { user, case, task: task.1, operation }
    }

    /// Returns what is stored, in the form of [`super::World::rows`].
    pub(super) fn rows(&self) -> Vec<String> {
        let users = self.users.iter().map(|(id, (tenant, user))| {
            let User { external_id, email, first_name, last_name, .. } = user;
            let names = format!("{external_id}|{email}|{first_name}|{last_name}");
            format!("user|{id}|{tenant}|{names}|{}|{}", bool(user.is_active), bool(user.is_erased))
        });
        let cases = self.cases.iter().map(|(id, (tenant, case))| {
            let Case { name, description, priority, status, team_id, .. } = case;
            let external_id = case.external_id.as_deref().unwrap_or_default();
            let text = format!("{external_id}|{name}|{description}|{priority}|{status}");
            format!("case|{id}|{tenant}|{text}|{team_id}")
        });
        let tasks = self.tasks.iter().map(|(id, task)| {
            let StoredTask { tenant, case, description, assignees } = task;
            let assignees: Vec<_> = assignees.iter().map(ToString::to_string).collect();
            format!("task|{id}|{tenant}|{case}|{description}|{}", assignees.join(","))
        });
        let records = self.records.iter().map(|((tenant, key), record)| {
            let people: Vec<_> = record.tasks.iter().flat_map(|task| &task.assignees).collect();
            let join = |name: fn(&Person) -> &str| {
                people.iter().map(|person| name(person)).collect::<Vec<_>>().join(",")
            };
            let (first, last) =
                (join(|person| &person.first_name), join(|person| &person.last_name));
            format!("record|{tenant}-{key}|{first}|{last}")
        });
        let mut rows: Vec<_> = users.chain(cases).chain(tasks).chain(records).collect();
        rows.sort();
        rows
    }

    /// Returns the tenant, the case and the id of each task that was ever created, and what was done to it.
    pub(super) fn histories(&self) -> impl Iterator<Item = (i64, i64, i64, &[Event])> {
        self.created_tasks.iter().map(|(case, id)| {
            let (tenant, history) = &self.histories[id];
            (*tenant, *case, *id, &**history)
        })
    }

    /// Whether a request is a repeat of one with the same key.
    pub(super) fn is_repeat(&self, tenant: i64, request: &Request) -> bool {
        let Action::CreateTasks { key: Some(key), .. } = request.operation.action else {
            return false;
        };
        self.records.contains_key(&(tenant, key))
    }

    /// Returns a user as they are now, and their tenant.
    pub(super) fn person(&self, id: i64) -> (i64, Person) {
        let (tenant, user) = &self.users[&id];
        (*tenant, user.person())
    }

    /// Returns what a call is to return.
    pub(super) fn predict(&self, caller: &Caller, request: &Request) -> Outcome {
        if request.is_of_directory() && !caller.is_feeder {
            return Outcome::Error(error("PERMISSION_DENIED", &["SCOPE_REQUIRED"]));
        }
        self.try_predict(caller.tenant, request).unwrap_or_else(Outcome::Error)
    }

    fn try_predict(&self, tenant: i64, request: &Request) -> Result<Outcome, String> {
        match &request.operation.action {
            Action::UpsertUsers { users, is_trial } => self.upsert_users(tenant, users, *is_trial),
            Action::GetUser(name) => self.find_user(tenant, request, *name).map(one_user),
            Action::ListUsers { active, email } => Ok(self.list_users(tenant, *active, *email)),
            Action::Deactivate(name) => self.deactivate(tenant, request, *name),
            Action::Reactivate(name) => self.reactivate(tenant, request, *name),
            Action::Erase(name) => self.erase(tenant, request, *name),
            Action::UpsertCases { cases, is_trial } => self.upsert_cases(tenant, cases, *is_trial),
            Action::FindCase(name) => self.find_case(tenant, request, *name),
            Action::ListCases { status } => Ok(self.list_cases(tenant, *status)),
            Action::CloseCase(name) => self.close_case(tenant, request, *name),
            Action::CreateCase { name, tasks } => self.create_case(tenant, request, name, tasks),
            Action::GetCase => self.get_case(tenant, request.case),
            Action::ListAllCases { status } => Ok(self.list_all_cases(tenant, *status)),
            Action::UpdateCase { name, status } => {
                self.update_case(tenant, request.case, *name, *status)
            }
            Action::DeleteCase => {
                self.case(tenant, request.case)?;
                Ok(Outcome::Deleted)
            }
            Action::CreateTasks { tasks, key } => self.create_tasks(tenant, request, tasks, *key),
            Action::Repeat(_) => unreachable!("it is the request that it repeats"),
            Action::GetRecord(key) => self.get_record(tenant, *key),
            Action::GetTask => self.get_task(tenant, request),
            Action::Assign(emails) => self.assign(tenant, request, emails),
            Action::ListTasks(email) => self.list_tasks(tenant, &request.email(*email)),
        }
    }

    /// Makes the changes of a call that succeeded.
    pub(super) fn apply(&mut self, caller: &Caller, request: &Request, outcome: &Outcome) {
        let tenant = caller.tenant;
        if request.is_trial() {
            return;
        }
        match (&request.operation.action, outcome) {
            (
                Action::UpsertUsers { .. }
                | Action::Deactivate(_)
                | Action::Reactivate(_)
                | Action::Erase(_),
                Outcome::Users(users),
            ) => users.iter().for_each(|(change, user)| self.set_user(tenant, *change, user)),
            (Action::UpsertCases { .. } | Action::CloseCase(_), Outcome::Cases(cases)) => {
                cases.iter().for_each(|(change, case)| self.set_case(tenant, *change, case));
            }
            (Action::UpdateCase { .. }, Outcome::Cases(cases)) => {
                let [(change, case)] = &cases[..] else { panic!("one case: {cases:?}") };
                let external_id = self.cases[&request.case].1.external_id.clone();
                self.set_case(tenant, *change, &Case { external_id, ..case.clone() });
            }
            (Action::CreateCase { .. }, Outcome::CreatedCase(case, tasks)) => {
                let case = Case { external_id: Some(String::new()), ..case.clone() };
                self.set_case(tenant, Some("Created"), &case);
                self.add_tasks(caller, case.id.unwrap(), tasks);
            }
            (Action::DeleteCase, Outcome::Deleted) => {
                self.cases.remove(&request.case);
                self.remove_tasks(caller, request.case);
            }
            (Action::CreateTasks { tasks: new, key }, Outcome::Tasks(tasks)) => {
                let Some(key) = key else { return self.add_tasks(caller, request.case, tasks) };
                if !self.records.contains_key(&(tenant, *key)) {
                    self.add_tasks(caller, request.case, tasks);
                    let (request, creation) = (request.clone(), request.creation(new));
                    let record = Record { request, creation, tasks: tasks.clone() };
                    self.records.insert((tenant, *key), record);
                }
            }
            (Action::Assign(_), Outcome::Tasks(tasks)) => {
                let assignees = tasks[0].assignees.iter().map(|person| person.id).collect();
                self.set_assignees(caller, request.task, assignees);
            }
            _ => {}
        }
    }
}

/// Returns one of these, by how long ago it was created; `None` if there are none.
fn nth_last<T: Copy>(all: impl Iterator<Item = T>, age: usize) -> Option<T> {
    let all: Vec<T> = all.collect();
    all.iter().rev().cycle().nth(age).copied()
}

/// Returns a truth value as psql prints it.
const fn bool(value: bool) -> &'static str {
    if value { "t" } else { "f" }
}

fn one_user(user: &User) -> Outcome {
    Outcome::Users(vec![(None, user.clone())])
}

/// Returns the code and the reasons.
fn error(code: &str, reasons: &[&str]) -> String {
    reasons.iter().fold(code.to_owned(), |all, reason| all + " " + reason)
}

fn invalid(violations: &[&'static str]) -> Result<(), String> {
    if violations.is_empty() { Ok(()) } else { Err(error("INVALID_ARGUMENT", violations)) }
}

/// Whether a text is not an email, by what the operations have.
fn is_malformed(email: &str) -> bool {
    email.contains(' ')
}
