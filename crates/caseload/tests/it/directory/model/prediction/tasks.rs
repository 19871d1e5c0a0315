//! What calls about tasks are to do.

use super::{Creation, Model, StoredTask, error, invalid, is_malformed};
use crate::directory::model::{
    caller::Caller,
    history,
    operation::{Email, NewTask, Request},
    state::{NEW, Outcome, Person, Task},
};

/// The most tasks of a page.
const PAGE: usize = 50;

impl Model {
    pub(super) fn create_tasks(
        &self,
        tenant: i64,
        request: &Request,
        tasks: &[NewTask],
        key: Option<u8>,
    ) -> Result<Outcome, String> {
        let violations = tasks.iter().flat_map(|task| request.violations(task));
        invalid(&violations.collect::<Vec<_>>())?;
        if let Some(record) = key.and_then(|key| self.records.get(&(tenant, key))) {
            if record.creation != request.creation(tasks) {
                return Err(error("INVALID_ARGUMENT", &["REQUEST_ID_REUSED"]));
            }
            return Ok(Outcome::Tasks(record.tasks.clone()));
        }
        self.case(tenant, request.case)?;
        self.new_tasks(tenant, request, tasks).map(Outcome::Tasks)
    }

    /// Returns tasks that are to be created.
    pub(super) fn new_tasks(
        &self,
        tenant: i64,
        request: &Request,
        tasks: &[NewTask],
    ) -> Result<Vec<Task>, String> {
        let (mut new, mut violations) = (Vec::new(), Vec::new());
        for task in tasks {
            let (assignees, wrong) = self.people(tenant, &request.emails(&task.emails), &[]);
            violations.extend(wrong);
            let description = task.description.trim().to_owned();
            new.push(Task { id: NEW, description, assignees, times: None });
        }
        invalid(&violations)?;
        Ok(new)
    }

    pub(super) fn get_task(&self, tenant: i64, request: &Request) -> Result<Outcome, String> {
        self.case(tenant, request.case)?;
        Ok(Outcome::Tasks(vec![self.task(request)?]))
    }

    pub(super) fn assign(
        &self,
        tenant: i64,
        request: &Request,
        emails: &[Email],
    ) -> Result<Outcome, String> {
        let emails = request.emails(emails);
        invalid(&malformed(&emails))?;
        self.case(tenant, request.case)?;
        let task = self.task(request)?;
        let (assignees, violations) = self.people(tenant, &emails, &task.assignees);
        invalid(&violations)?;
        Ok(Outcome::Tasks(vec![Task { assignees, ..task }]))
    }

    pub(super) fn list_tasks(&self, tenant: i64, email: &str) -> Result<Outcome, String> {
        if is_malformed(email) {
            invalid(&["INVALID_EMAIL"])?;
        }
        let user = self.user_where(tenant, |user| user.email == email.to_lowercase());
        let Some(id) = user.and_then(|user| user.id) else {
            return Err(error("INVALID_ARGUMENT", &["UNKNOWN_USER"]));
        };
        let theirs = self.tasks.iter().filter(|(_, task)| task.assignees.contains(&id));
        let theirs = theirs.map(|(id, task)| self.as_told(*id, task)).take(PAGE);
        Ok(Outcome::Tasks(theirs.collect()))
    }

    pub(super) fn get_record(&self, tenant: i64, key: u8) -> Result<Outcome, String> {
        let record = self.records.get(&(tenant, key));
        let record = record.ok_or_else(|| error("NOT_FOUND", &["IDEMPOTENCY_KEY_UNKNOWN"]))?;
        Ok(Outcome::Record(record.tasks.iter().map(|task| task.id).collect()))
    }

    /// Stores tasks that were created.
    pub(super) fn add_tasks(&mut self, caller: &Caller, case: i64, tasks: &[Task]) {
        let tenant = caller.tenant;
        for task in tasks {
            let assignees: Vec<i64> = task.assignees.iter().map(|person| person.id).collect();
            let description = task.description.clone();
            let history = vec![history::created(&assignees, &caller.name)];
            let stored = StoredTask { tenant, case, description, assignees };
            assert!(self.tasks.insert(task.id, stored).is_none());
            self.created_tasks.push((case, task.id));
            self.histories.insert(task.id, (tenant, history));
        }
    }

    /// Stores the assignees of a task that was changed.
    pub(super) fn set_assignees(&mut self, caller: &Caller, id: i64, assignees: Vec<i64>) {
        let task = self.tasks.get_mut(&id).unwrap();
        let (_, history) = self.histories.get_mut(&id).unwrap();
        history.extend(history::assigned(&task.assignees, &assignees, &caller.name));
        task.assignees = assignees;
    }

    /// Forgets the tasks of a case that was deleted, but not what was done to them.
    pub(super) fn remove_tasks(&mut self, caller: &Caller, case: i64) {
        for (id, _) in self.tasks.extract_if(.., |_, task| task.case == case) {
            self.histories.get_mut(&id).unwrap().1.push(history::deleted(&caller.name));
        }
    }

    /// Returns the task that a request is about, in a case that the tenant has.
    fn task(&self, request: &Request) -> Result<Task, String> {
        let task = self.tasks.get(&request.task);
        let task = task.ok_or_else(|| error("NOT_FOUND", &["TASK_NOT_FOUND"]))?;
        Ok(self.as_told(request.task, task))
    }

    /// Returns a task as responses have it now.
    fn as_told(&self, id: i64, task: &StoredTask) -> Task {
        let assignees = task.assignees.iter().map(|id| self.users[id].1.person()).collect();
        Task { id, description: task.description.clone(), assignees, times: None }
    }

    /// Returns the users with these emails, and a violation for each email of nobody, or of somebody who
    /// is deactivated and not yet among the assignees.
    fn people(
        &self,
        tenant: i64,
        emails: &[String],
        before: &[Person],
    ) -> (Vec<Person>, Vec<&'static str>) {
        let (mut people, mut violations) = (Vec::new(), Vec::new());
        for email in normalized(emails) {
            match self.user_where(tenant, |user| user.email == email) {
                None => violations.push("UNKNOWN_USER"),
                Some(user) => {
                    let person = user.person();
                    if !user.is_active && !before.contains(&person) {
                        violations.push("USER_DEACTIVATED");
                    }
                    people.push(person);
                }
            }
        }
        (people, violations)
    }
}

impl Request {
    /// Returns what is wrong with a task by itself.
    pub(super) fn violations(&self, task: &NewTask) -> Vec<&'static str> {
        let is_blank = task.description.trim().is_empty();
        let mut violations: Vec<_> = is_blank.then_some("REQUIRED").into_iter().collect();
        violations.extend(malformed(&self.emails(&task.emails)));
        violations
    }

    /// Returns what a request to create tasks asks for.
    pub(super) fn creation(&self, tasks: &[NewTask]) -> Creation {
        let tasks = tasks.iter().map(|task| {
            let emails = normalized(&self.emails(&task.emails));
            (task.description.trim().to_owned(), emails)
        });
        (self.case, tasks.collect())
    }
}

fn malformed(emails: &[String]) -> Vec<&'static str> {
    emails.iter().filter(|email| is_malformed(email)).map(|_| "INVALID_EMAIL").collect()
}

/// Returns emails in lower case, each once.
fn normalized(emails: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for email in emails.iter().map(|email| email.to_lowercase()) {
        if !all.contains(&email) {
            all.push(email);
        }
    }
    all
}
