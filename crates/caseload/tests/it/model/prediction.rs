//! The model: what the service is to do, in the plainest form.

use std::collections::{BTreeMap, HashMap};

use super::{
    caller::Caller,
    history::{self, Event},
    operation::{Fields, NewTask, PER_PAGE, Request, Tag, Update},
    task::Task,
};

/// What a call returned, or is to return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Tasks(Vec<Task>),
    Page(Vec<Task>, i64),
    Deleted,
    Record(Vec<i64>),
    /// The code and the reasons.
    Error(String),
}

/// A task that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stored {
    tenant: i64,
    case: i64,
    task: Task,
}

/// What a key was used for: the request, and the tasks as they were created.
struct Record {
    request: (bool, i64, Vec<(String, Vec<String>)>),
    tasks: Vec<Task>,
}

/// Everything that the service is to know.
pub(super) struct Model {
    cases: Vec<(i64, i64)>,
    tasks: BTreeMap<i64, Stored>,
    records: HashMap<(i64, String), Record>,
    /// The case and the id of each task that was ever created.
    created: Vec<(i64, i64)>,
    /// What was done to each task that was ever created.
    events: BTreeMap<i64, Vec<Event>>,
}

impl Outcome {
    /// Whether what was predicted is what came out; ids that are not known before may be any.
    pub(super) fn matches(&self, actual: &Self) -> bool {
        match (self, actual) {
            (Self::Tasks(predicted), Self::Tasks(actual)) => {
                predicted.len() == actual.len()
                    && predicted.iter().zip(actual).all(|(predicted, actual)| {
                        let id = predicted.id.or(actual.id);
                        Task { id, ..predicted.clone() } == *actual
                    })
            }
            _ => self == actual,
        }
    }
}

impl Model {
    pub(super) fn new(cases: &[(i64, i64)]) -> Self {
        Self {
            cases: cases.to_vec(),
            tasks: BTreeMap::new(),
            records: HashMap::new(),
            created: Vec::new(),
            events: BTreeMap::new(),
        }
    }

    /// Returns the case and the id of a task that was created this many tasks ago.
    pub(super) fn created(&self, age: usize) -> Option<(i64, i64)> {
        self.created.iter().rev().nth(age).copied()
    }

    /// Returns what is stored, in the form of [`super::World::rows`].
    pub(super) fn rows(&self) -> String {
        let rows = self.tasks.iter().map(|(id, Stored { tenant, case, task })| {
            let completed = if task.completed { "t" } else { "f" };
            let emails = task.emails.join(",");
            format!("{tenant}|{case}|{id}|{}|{completed}|{emails}", task.description)
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    /// Returns what a call is to return.
    pub(super) fn predict(&self, caller: &Caller, request: &Request) -> Outcome {
        if request.writes() && !caller.may_write {
            return error("PERMISSION_DENIED", &["SCOPE_REQUIRED"]);
        }
        self.try_predict(caller.tenant, request).unwrap_or_else(|error| error)
    }

    fn try_predict(&self, tenant: i64, request: &Request) -> Result<Outcome, Outcome> {
        match request {
            Request::Create { case, tasks, key, is_trial, .. } => {
                invalid(tasks.iter().flat_map(NewTask::violations).collect())?;
                if let Some(record) = self.record(tenant, key.as_deref()) {
                    if record.request != fingerprint(request) {
                        return Err(error("INVALID_ARGUMENT", &["REQUEST_ID_REUSED"]));
                    }
                    if !is_trial {
                        return Ok(Outcome::Tasks(record.tasks.clone()));
                    }
                }
                self.find_case(tenant, *case)?;
                invalid(tasks.iter().flat_map(|task| unknown_users(&task.emails)).collect())?;
                Ok(Outcome::Tasks(tasks.iter().map(NewTask::to_task).collect()))
            }
            Request::Get { case, id } => {
                self.find_case(tenant, *case)?;
                Ok(Outcome::Tasks(vec![self.find(*case, *id).ok_or_else(no_task)?.clone()]))
            }
            Request::BatchGet { case, ids } => {
                invalid(duplicates(ids))?;
                self.find_case(tenant, *case)?;
                self.find_all(*case, ids).map(Outcome::Tasks)
            }
            Request::List { case, completed, email, page } => {
                self.list(tenant, *case, *completed, *email, *page)
            }
            Request::Update { case, updates, .. } => {
                let ids: Vec<_> = updates.iter().map(|update| update.id).collect();
                let of_each = updates.iter().enumerate();
                let of_each = of_each.flat_map(|(index, update)| update.violations(&ids[..index]));
                invalid(of_each.collect())?;
                self.find_case(tenant, *case)?;
                let tasks = self.find_all(*case, &ids)?;
                let stale = updates.iter().filter(|update| update.tag == Tag::Other);
                let stale: Vec<_> = stale.map(|_| "ETAG_MISMATCH").collect();
                if !stale.is_empty() {
                    return Err(error("ABORTED", &stale));
                }
                let emails = updates.iter().filter_map(|update| update.fields.emails.as_ref());
                invalid(emails.flat_map(|emails| unknown_users(emails)).collect())?;
                let changed =
                    updates.iter().zip(tasks).map(|(update, task)| update.fields.apply(task));
                Ok(Outcome::Tasks(changed.collect()))
            }
            Request::Delete { case, ids, tag, .. } => {
                invalid(duplicates(ids))?;
                self.find_case(tenant, *case)?;
                self.find_all(*case, ids)?;
                match tag {
                    Tag::Other => Err(error("ABORTED", &["ETAG_MISMATCH"])),
                    Tag::Any | Tag::Current => Ok(Outcome::Deleted),
                }
            }
            Request::Record { key } => match self.record(tenant, Some(key)) {
                Some(record) => {
                    Ok(Outcome::Record(record.tasks.iter().filter_map(|task| task.id).collect()))
                }
                None => Err(error("NOT_FOUND", &["IDEMPOTENCY_KEY_UNKNOWN"])),
            },
        }
    }

    fn list(
        &self,
        tenant: i64,
        case: Option<i64>,
        completed: Option<bool>,
        email: Option<&str>,
        page: u32,
    ) -> Result<Outcome, Outcome> {
        if email.is_some_and(is_malformed) {
            return Err(error("INVALID_ARGUMENT", &["INVALID_EMAIL"]));
        }
        if let Some(case) = case {
            self.find_case(tenant, case)?;
        }
        let email = email.map(str::to_lowercase);
        if email.as_deref().is_some_and(|email| !is_user(email)) {
            return Err(error("INVALID_ARGUMENT", &["UNKNOWN_USER"]));
        }
        let listed: Vec<_> = self
            .tasks
            .values()
            .filter(|stored| stored.tenant == tenant && case.is_none_or(|case| stored.case == case))
            .map(|stored| &stored.task)
            .filter(|task| completed.is_none_or(|completed| task.completed == completed))
            .filter(|task| email.as_ref().is_none_or(|email| task.emails.contains(email)))
            .cloned()
            .collect();
        let count = i64::try_from(listed.len()).unwrap();
        let per_page = usize::try_from(PER_PAGE).unwrap();
        let skipped = usize::try_from(page - 1).unwrap() * per_page;
        Ok(Outcome::Page(listed.into_iter().skip(skipped).take(per_page).collect(), count))
    }

    /// Makes the changes of a call that succeeded.
    pub(super) fn apply(&mut self, caller: &Caller, request: &Request, outcome: &Outcome) {
        let tenant = caller.tenant;
        match (request, outcome) {
            (request, _) if request.is_trial() => {}
            (Request::Create { case, key, .. }, Outcome::Tasks(tasks)) => {
                if self.record(tenant, key.as_deref()).is_some() {
                    return;
                }
                for task in tasks {
                    let id = task.id.expect("a task that was created has an id");
                    let stored = Stored { tenant, case: *case, task: task.clone() };
                    assert_eq!(self.tasks.insert(id, stored), None);
                    self.created.push((*case, id));
                    self.events.insert(id, vec![history::created(task, &caller.name)]);
                }
                if let Some(key) = key {
                    let record = Record { request: fingerprint(request), tasks: tasks.clone() };
                    self.records.insert((tenant, key.clone()), record);
                }
            }
            (Request::Update { .. }, Outcome::Tasks(tasks)) => {
                for task in tasks {
                    let id = task.id.expect("a task that was changed has an id");
                    let stored = &mut self.tasks.get_mut(&id).unwrap().task;
                    let changes = history::changes(stored, task, &caller.name);
                    self.events.get_mut(&id).unwrap().extend(changes);
                    *stored = task.clone();
                }
            }
            (Request::Delete { ids, .. }, Outcome::Deleted) => {
                self.tasks.retain(|id, _| !ids.contains(id));
                for id in ids {
                    self.events.get_mut(id).unwrap().push(history::deleted(&caller.name));
                }
            }
            _ => {}
        }
    }

    /// Returns a task as it is.
    pub(super) fn task(&self, id: i64) -> Option<&Task> {
        self.tasks.get(&id).map(|stored| &stored.task)
    }

    /// Returns the case, the id, and what was done to each task that was ever created.
    pub(super) fn histories(&self) -> impl Iterator<Item = (i64, i64, &[Event])> {
        self.created.iter().map(|(case, id)| (*case, *id, &*self.events[id]))
    }

    fn record(&self, tenant: i64, key: Option<&str>) -> Option<&Record> {
        self.records.get(&(tenant, key?.to_owned()))
    }

    fn find_case(&self, tenant: i64, case: i64) -> Result<(), Outcome> {
        if self.cases.contains(&(tenant, case)) {
            return Ok(());
        }
        Err(error("NOT_FOUND", &["CASE_NOT_FOUND"]))
    }

    fn find(&self, case: i64, id: i64) -> Option<&Task> {
        self.tasks.get(&id).filter(|stored| stored.case == case).map(|stored| &stored.task)
    }

    fn find_all(&self, case: i64, ids: &[i64]) -> Result<Vec<Task>, Outcome> {
        let missing = ids.iter().filter(|id| self.find(case, **id).is_none());
        let missing: Vec<_> = missing.map(|_| "TASK_NOT_FOUND").collect();
        if !missing.is_empty() {
            return Err(error("NOT_FOUND", &missing));
        }
        Ok(ids.iter().filter_map(|id| self.find(case, *id).cloned()).collect())
    }
}

impl NewTask {
    fn violations(&self) -> Vec<&'static str> {
        let mut violations: Vec<_> = description_violation(self.description).into_iter().collect();
        violations.extend(malformed(&self.emails));
        violations
    }

    fn to_task(&self) -> Task {
        Task {
            id: None,
            description: self.description.trim().to_owned(),
            completed: false,
            emails: normalized(&self.emails),
        }
    }
}

impl Update {
    /// Returns what is wrong with the change by itself, or after those before it, whose ids these are.
    fn violations(&self, before: &[i64]) -> Vec<&'static str> {
        let mut violations: Vec<_> =
            before.contains(&self.id).then_some("DUPLICATE").into_iter().collect();
        violations.extend(self.fields.description.and_then(description_violation));
        violations.extend(self.fields.emails.iter().flat_map(|emails| malformed(emails)));
        violations
    }
}

impl Fields {
    fn apply(&self, task: Task) -> Task {
        Task {
            id: task.id,
            description: self.description.map_or(task.description, |text| text.trim().to_owned()),
            completed: self.completed.unwrap_or(task.completed),
            emails: self.emails.as_ref().map_or(task.emails, |emails| normalized(emails)),
        }
    }
}

fn error(code: &str, reasons: &[&str]) -> Outcome {
    Outcome::Error(reasons.iter().fold(code.to_owned(), |all, reason| all + " " + reason))
}

fn no_task() -> Outcome {
    error("NOT_FOUND", &["TASK_NOT_FOUND"])
}

fn invalid(violations: Vec<&'static str>) -> Result<(), Outcome> {
    if violations.is_empty() { Ok(()) } else { Err(error("INVALID_ARGUMENT", &violations)) }
}

fn duplicates(ids: &[i64]) -> Vec<&'static str> {
    let is_duplicate = |index: &usize| ids[..*index].contains(&ids[*index]);
    (0..ids.len()).filter(is_duplicate).map(|_| "DUPLICATE").collect()
}

fn description_violation(text: &str) -> Option<&'static str> {
    match text.trim() {
        "" => Some("REQUIRED"),
        text if text.contains('\0') => Some("CONTAINS_NUL"),
        _ => None,
    }
}

fn is_malformed(email: &str) -> bool {
    email.contains(' ')
}

fn malformed(emails: &[&'static str]) -> Vec<&'static str> {
    emails.iter().filter(|email| is_malformed(email)).map(|_| "INVALID_EMAIL").collect()
}

/// Every tenant has the same three users.
fn is_user(email: &str) -> bool {
    ["user1@example.com", "user2@example.com", "user3@example.com"].contains(&email)
}

/// Returns emails in lower case, each once.
fn normalized(emails: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for email in emails {
        let email = email.to_lowercase();
        if !all.contains(&email) {
            all.push(email);
        }
    }
    all
}

fn unknown_users(emails: &[&str]) -> Vec<&'static str> {
    normalized(emails).iter().filter(|email| !is_user(email)).map(|_| "UNKNOWN_USER").collect()
}

fn fingerprint(request: &Request) -> (bool, i64, Vec<(String, Vec<String>)>) {
    let Request::Create { case, is_batch, tasks, .. } = request else {
        unreachable!("only requests to create have keys")
    };
    let task = |task: &NewTask| (task.description.trim().to_owned(), normalized(&task.emails));
    (*is_batch, *case, tasks.iter().map(task).collect())
}
