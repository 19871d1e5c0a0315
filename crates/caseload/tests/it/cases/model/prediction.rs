//! The model: what the service is to do, in the plainest form.

use std::collections::{BTreeMap, HashMap};

use super::operation::{Action, Fields, NewTask, PER_PAGE, Request, Tag};

/// A case as responses have it. One that is only tried, or that is yet to be created, has no id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) id: Option<i64>,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) priority: String,
    pub(super) status: String,
    pub(super) team_id: Option<i64>,
}

/// The description of a task, and the emails of its assignees.
pub(super) type Task = (String, Vec<String>);

/// What a call returned, or is to return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Case(Case),
    Created(Case, Vec<Task>),
    Page(Vec<Case>, i64),
    Deleted,
    Added,
    /// The case, and how many tasks.
    Record(i64, usize),
    /// The code and the reasons.
    Error(String),
}

/// What a key was used for, and what came of it.
struct Record {
    request: (Case, Vec<Task>),
    case: Case,
    tasks: Vec<Task>,
}

/// Everything that the service is to know.
#[derive(Default)]
pub(super) struct Model {
    cases: BTreeMap<i64, (Case, Vec<Task>)>,
    records: HashMap<u8, Record>,
    /// The id of each case that was ever created.
    created: Vec<i64>,
}

impl Outcome {
    /// Whether what was predicted is what came out; ids that are not known before may be any.
    pub(super) fn matches(&self, actual: &Self) -> bool {
        match (self, actual) {
            (Self::Created(case, tasks), Self::Created(actual, actual_tasks)) => {
                let id = case.id.or(actual.id);
                Case { id, ..case.clone() } == *actual && tasks == actual_tasks
            }
            _ => self == actual,
        }
    }
}

impl Model {
    /// Returns the id of the case that was created this many cases ago.
    pub(super) fn id(&self, age: usize) -> i64 {
        self.created.iter().rev().nth(age).copied().unwrap_or(4_000_000_000)
    }

    pub(super) fn case(&self, id: i64) -> Option<&Case> {
        self.cases.get(&id).map(|(case, _)| case)
    }

    /// Returns what is stored, in the form of [`super::World::rows`].
    pub(super) fn rows(&self) -> String {
        let rows = self.cases.iter().map(|(id, (case, tasks))| {
            let Case { name, description, priority, status, team_id, .. } = case;
            let team = team_id.map_or_else(String::new, |team| team.to_string());
            let tasks = tasks.iter().map(|(description, emails)| match emails.is_empty() {
                true => description.clone(),
                false => format!("{description}={}", emails.join("+")),
            });
            let tasks = tasks.collect::<Vec<_>>().join(",");
            format!("{id}|{name}|{description}|{priority}|{status}|{team}|{tasks}")
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    /// Returns what a call is to return.
    pub(super) fn predict(&self, request: &Request) -> Outcome {
        self.try_predict(request).unwrap_or_else(Outcome::Error)
    }

    fn try_predict(&self, request: &Request) -> Result<Outcome, String> {
        match &request.operation.action {
            Action::Create { fields, tasks, key, is_trial } => {
                let fields = Fields { name: fields.name.or(Some("")), ..fields.clone() };
                let mut violations = fields.violations();
                violations.extend(tasks.iter().filter_map(NewTask::violation));
                invalid(&violations)?;
                let (case, new) = (fields.apply(Case::default()), tasks_of(tasks));
                if let Some(record) = key.and_then(|key| self.records.get(&key)) {
                    if record.request != (case.clone(), new) {
                        return Err(error("INVALID_ARGUMENT", &["REQUEST_ID_REUSED"]));
                    }
                    if !is_trial {
                        return Ok(Outcome::Created(record.case.clone(), record.tasks.clone()));
                    }
                }
                invalid(&unknown_users(tasks))?;
                Ok(Outcome::Created(case, tasks_of(tasks)))
            }
            Action::Get => Ok(Outcome::Case(self.find(request.id)?.clone())),
            Action::List { priority, status, page } => {
                let mut violations = Vec::new();
                violations.extend(priority.and_then(priority_violation));
                violations.extend(status.and_then(status_violation));
                invalid(&violations)?;
                let listed: Vec<_> = self
                    .cases
                    .values()
                    .map(|(case, _)| case)
                    .filter(|case| priority.is_none_or(|priority| case.priority == priority))
                    .filter(|case| status.is_none_or(|status| case.status == status))
                    .cloned()
                    .collect();
                let count = i64::try_from(listed.len()).unwrap();
                let per_page = usize::try_from(PER_PAGE).unwrap();
                let skipped = usize::try_from(page - 1).unwrap() * per_page;
                let page = listed.into_iter().skip(skipped).take(per_page).collect();
                Ok(Outcome::Page(page, count))
            }
            Action::Update { fields, .. } => {
                invalid(&fields.violations())?;
                let case = self.find(request.id)?;
                fresh(request)?;
                Ok(Outcome::Case(fields.apply(case.clone())))
            }
            Action::Delete => {
                self.find(request.id)?;
                fresh(request)?;
                Ok(Outcome::Deleted)
            }
            Action::AddTask(task) => {
                invalid(&task.violation().into_iter().collect::<Vec<_>>())?;
                self.find(request.id)?;
                invalid(&unknown_users(std::slice::from_ref(task)))?;
                Ok(Outcome::Added)
            }
            Action::Record(key) => {
                let record = self.records.get(key);
                let record =
                    record.ok_or_else(|| error("NOT_FOUND", &["IDEMPOTENCY_KEY_UNKNOWN"]))?;
                Ok(Outcome::Record(record.case.id.unwrap(), record.tasks.len()))
            }
        }
    }

    /// Makes the changes of a call that succeeded.
    pub(super) fn apply(&mut self, request: &Request, outcome: &Outcome) {
        match (&request.operation.action, outcome) {
            (Action::Create { is_trial: false, key, .. }, Outcome::Created(case, tasks)) => {
                if key.is_some_and(|key| self.records.contains_key(&key)) {
                    return;
                }
                let id = case.id.expect("a case that was created has an id");
                assert!(self.cases.insert(id, (case.clone(), tasks.clone())).is_none());
                self.created.push(id);
                if let Some(key) = key {
                    let request = (Case { id: None, ..case.clone() }, tasks.clone());
                    let (case, tasks) = (case.clone(), tasks.clone());
                    self.records.insert(*key, Record { request, case, tasks });
                }
            }
            (Action::Update { is_trial: false, .. }, Outcome::Case(case)) => {
                self.cases.get_mut(&request.id).unwrap().0 = case.clone();
            }
            (Action::Delete, Outcome::Deleted) => {
                self.cases.remove(&request.id);
            }
            (Action::AddTask(task), Outcome::Added) => {
                let (_, tasks) = self.cases.get_mut(&request.id).unwrap();
                tasks.extend(tasks_of(std::slice::from_ref(task)));
            }
            _ => {}
        }
    }

    fn find(&self, id: i64) -> Result<&Case, String> {
        self.case(id).ok_or_else(|| error("NOT_FOUND", &["CASE_NOT_FOUND"]))
    }
}

impl Default for Case {
    fn default() -> Self {
        Self {
            id: None,
            name: String::new(),
            description: String::new(),
            priority: "LOW".to_owned(),
            status: "OPEN".to_owned(),
            team_id: None,
        }
    }
}

impl Fields {
    fn violations(&self) -> Vec<&'static str> {
        let nul = |text: &str| text.contains('\0').then_some("CONTAINS_NUL");
        let name = self
            .name
            .and_then(|name| if name.trim().is_empty() { Some("REQUIRED") } else { nul(name) });
        let violations = [
            name,
            self.description.and_then(nul),
            self.priority.and_then(priority_violation),
            self.status.and_then(status_violation),
            self.team_id.filter(|id| *id <= 0).map(|_| "NOT_POSITIVE"),
        ];
        violations.into_iter().flatten().collect()
    }

    fn apply(&self, case: Case) -> Case {
        let text = |new: Option<&str>, old| new.map_or(old, |new| new.trim().to_owned());
        Case {
            id: case.id,
            name: text(self.name, case.name),
            description: text(self.description, case.description),
            priority: text(self.priority, case.priority),
            status: text(self.status, case.status),
            team_id: self.team_id.or(case.team_id),
        }
    }
}

impl NewTask {
    fn violation(&self) -> Option<&'static str> {
        self.description.trim().is_empty().then_some("REQUIRED")
    }
}

fn priority_violation(name: &str) -> Option<&'static str> {
    (!["LOW", "MEDIUM", "HIGH", "CRITICAL"].contains(&name)).then_some("UNKNOWN_VALUE")
}

fn status_violation(name: &str) -> Option<&'static str> {
    (!["OPEN", "CLOSED"].contains(&name)).then_some("UNKNOWN_VALUE")
}

/// Whether the case is in the state that the request names.
fn fresh(request: &Request) -> Result<(), String> {
    match request.operation.tag {
        Tag::Other => Err(error("ABORTED", &["ETAG_MISMATCH"])),
        Tag::Any | Tag::Current => Ok(()),
    }
}

/// Returns the tasks as they are stored: each email once, in lower case.
fn tasks_of(tasks: &[NewTask]) -> Vec<Task> {
    let task = |task: &NewTask| {
        let mut emails: Vec<String> = Vec::new();
        for email in task.emails.iter().map(|email| email.to_lowercase()) {
            if !emails.contains(&email) {
                emails.push(email);
            }
        }
        (task.description.trim().to_owned(), emails)
    };
    tasks.iter().map(task).collect()
}

fn unknown_users(tasks: &[NewTask]) -> Vec<&'static str> {
    let tasks = tasks_of(tasks);
    let emails = tasks.iter().flat_map(|(_, emails)| emails);
    emails.filter(|email| email.starts_with("nobody")).map(|_| "UNKNOWN_USER").collect()
}

/// Returns the code and the reasons.
fn error(code: &str, reasons: &[&str]) -> String {
    reasons.iter().fold(code.to_owned(), |all, reason| all + " " + reason)
}

fn invalid(violations: &[&'static str]) -> Result<(), String> {
    if violations.is_empty() { Ok(()) } else { Err(error("INVALID_ARGUMENT", violations)) }
}
