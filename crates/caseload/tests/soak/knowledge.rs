//! What callers know: what they created, and what became of it.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use domain::ApiKey;

use crate::{
    call::{Call, NewTasks, Tasks},
    kind::Kind,
    random::Random,
};

pub(crate) const TENANTS: usize = 10;
/// The cases of each tenant that are there from the beginning, and its users to whom tasks are assigned.
pub(crate) const CASES: usize = 50;
pub(crate) const USERS: usize = 100;
/// The users and cases of each tenant that are fed. The last ones of the users are also erased.
pub(crate) const PEOPLE: usize = 100;
const ERASED: usize = 20;
pub(crate) const FED_CASES: usize = 100;

/// How many of the cases that are created with tasks a tenant keeps.
const CASES_KEPT: usize = 50;

/// A tenant, and what its callers created.
pub(crate) struct Tenant {
    /// From 0.
    pub(crate) number: usize,
    key: RwLock<ApiKey>,
    tasks: Mutex<VecDeque<Arc<Tasks>>>,
    cases: Mutex<VecDeque<Arc<Tasks>>>,
}

/// What all callers know.
pub(crate) struct Knowledge {
    pub(crate) tenants: Vec<Arc<Tenant>>,
    /// How many requests' tasks a tenant keeps before the oldest ones are deleted.
    pub(crate) kept: usize,
    last_number: AtomicU64,
    doubtful: Mutex<HashMap<u64, Doubt>>,
}

/// What may be there or not.
#[derive(Debug)]
pub(crate) enum Doubt {
    /// Tasks whose creation was given up.
    MaybeCreated,
    /// Tasks whose deletion was given up.
    MaybeDeleted(Arc<Tasks>),
}

/// What the database must have at the end.
pub(crate) struct Expected {
    /// By their numbers.
    pub(crate) tasks: HashMap<u64, Arc<Tasks>>,
    pub(crate) doubtful: HashMap<u64, Doubt>,
}

impl Tenant {
    pub(crate) fn key(&self) -> ApiKey {
        self.key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_key(&self, key: ApiKey) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    pub(crate) fn kept(&self) -> usize {
        self.tasks.lock().unwrap().len()
    }

    pub(crate) fn add(&self, tasks: Tasks) {
        self.queue(tasks.is_case).lock().unwrap().push_back(Arc::new(tasks));
    }

    /// Takes tasks back whose deletion was refused.
    pub(crate) fn take_back(&self, tasks: &Arc<Tasks>) {
        tasks.set_taken(false);
        self.queue(tasks.is_case).lock().unwrap().push_front(Arc::clone(tasks));
    }

    fn queue(&self, is_case: bool) -> &Mutex<VecDeque<Arc<Tasks>>> {
        if is_case { &self.cases } else { &self.tasks }
    }

    /// Returns what is to be deleted, if there is more than is kept.
    fn oldest(&self, is_case: bool, kept: usize) -> Option<Arc<Tasks>> {
        let mut queue = self.queue(is_case).lock().unwrap();
        let oldest = if queue.len() > kept { queue.pop_front() } else { None };
        oldest.inspect(|tasks| tasks.set_taken(true))
    }

    /// Returns something of the newer half, which nobody is about to delete.
    fn recent(&self, is_case: bool, random: &mut Random) -> Option<Arc<Tasks>> {
        let queue = self.queue(is_case).lock().unwrap();
        let half = queue.len().div_ceil(2);
        (half > 0).then(|| Arc::clone(&queue[queue.len() - 1 - random.below(half)]))
    }

    /// Returns one of the last requests if it has an idempotency key, whose record is there for some minutes.
    fn with_key(&self, random: &mut Random) -> Option<Arc<Tasks>> {
        let queue = self.tasks.lock().unwrap();
        let last = queue.len().checked_sub(1)?;
        let newest = &queue[last - random.below(queue.len().min(20))];
        newest.has_key.then(|| Arc::clone(newest))
    }
}

impl Knowledge {
    pub(crate) fn new(keys: Vec<ApiKey>, kept: usize) -> Self {
        let tenant = |(number, key)| {
            let key = RwLock::new(key);
            Arc::new(Tenant { number, key, tasks: Mutex::default(), cases: Mutex::default() })
        };
        let tenants = keys.into_iter().enumerate().map(tenant).collect();
        Self { tenants, kept, last_number: AtomicU64::new(0), doubtful: Mutex::default() }
    }

    pub(crate) fn doubt(&self, number: u64, doubt: Doubt) {
        self.doubtful.lock().unwrap().insert(number, doubt);
    }

    /// Returns what must be there. Nobody may be calling any more.
    pub(crate) fn expected(&self) -> Expected {
        let mut tasks = HashMap::new();
        for tenant in &self.tenants {
            for queue in [&tenant.tasks, &tenant.cases] {
                tasks.extend(queue.lock().unwrap().drain(..).map(|tasks| (tasks.number, tasks)));
            }
        }
        Expected { tasks, doubtful: mem::take(&mut self.doubtful.lock().unwrap()) }
    }

    /// Returns a random call of a random tenant.
    pub(crate) fn next(&self, random: &mut Random) -> (Arc<Tenant>, Call) {
        let tenant = &self.tenants[random.below(TENANTS)];
        let kind = Kind::of(random.below(Kind::numbers()));
        let call = self.of_kind(kind, tenant, random);
        (Arc::clone(tenant), call.unwrap_or_else(|| Call::GetCase(case_of(tenant, random))))
    }

    /// Returns a call of a kind; `None` if there is nothing yet that it could be about.
    fn of_kind(&self, kind: Kind, tenant: &Tenant, random: &mut Random) -> Option<Call> {
        let recent = |random: &mut Random| tenant.recent(false, random);
        let task = |tasks: &Tasks, random: &mut Random| random.below(tasks.ids.len());
        Some(match kind {
            Kind::BatchCreateTasks => Call::BatchCreateTasks(self.batch(tenant, random), false),
            Kind::BatchCreateTasksWithKey => {
                Call::BatchCreateTasks(self.batch(tenant, random), true)
            }
            Kind::CreateTask => Call::CreateTask(self.new_tasks(tenant, 1, random), false),
            Kind::CreateTaskWithKey => Call::CreateTask(self.new_tasks(tenant, 1, random), true),
            Kind::GetTask => {
                let tasks = recent(random)?;
                let index = task(&tasks, random);
                Call::GetTask(tasks, index)
            }
            Kind::BatchGetTasks => Call::BatchGetTasks(recent(random)?),
            Kind::ListTasks => Call::ListTasks(case_of(tenant, random)),
            Kind::ListTasksOfUser => Call::ListTasksOfUser(1 + random.below(USERS)),
            Kind::ListTaskEvents => {
                let tasks = recent(random)?;
                let index = task(&tasks, random);
                Call::ListTaskEvents(tasks, index)
            }
            Kind::UpdateTask => {
                let tasks = recent(random)?;
                let index = task(&tasks, random);
                Call::UpdateTask(tasks, index, random.one_in(2))
            }
            Kind::BatchUpdateTasks => Call::BatchUpdateTasks(recent(random)?, random.one_in(2)),
            Kind::DeleteTask | Kind::BatchDeleteTasks => match tenant.oldest(false, self.kept) {
                Some(tasks) if tasks.ids.len() == 1 => Call::DeleteTask(tasks),
                Some(tasks) => Call::BatchDeleteTasks(tasks),
                None => return self.of_kind(Kind::GetTask, tenant, random),
            },
            Kind::GetIdempotencyRecord => match tenant.with_key(random) {
                Some(tasks) => Call::GetIdempotencyRecord(tasks),
                None => return self.of_kind(Kind::GetTask, tenant, random),
            },
            Kind::CreateCase => {
                let count = random.below(4);
                let new = self.new_tasks(tenant, count, random);
                Call::CreateCase(NewTasks { case_id: 0, ..new })
            }
            Kind::GetCase => Call::GetCase(case_of(tenant, random)),
            Kind::ListCases => Call::ListCases,
            Kind::UpdateCase => Call::UpdateCase(tenant.recent(true, random)?, random.one_in(2)),
            Kind::DeleteCase => Call::DeleteCase(tenant.oldest(true, CASES_KEPT)?),
            Kind::BatchUpsertUsers => {
                let mut people: Vec<_> = (0..4).map(|_| random.below(PEOPLE - ERASED)).collect();
                people.push(PEOPLE - 1 - random.below(ERASED));
                Call::BatchUpsertUsers(distinct(people))
            }
            Kind::GetUser => Call::GetUser(random.below(PEOPLE - ERASED)),
            Kind::ListUsers => Call::ListUsers,
            Kind::DeactivateUser => Call::DeactivateUser(random.below(PEOPLE - ERASED)),
            Kind::ReactivateUser => Call::ReactivateUser(random.below(PEOPLE - ERASED)),
            Kind::EraseUser => Call::EraseUser(PEOPLE - 1 - random.below(ERASED)),
            Kind::BatchUpsertCases => {
                Call::BatchUpsertCases(distinct((0..5).map(|_| random.below(FED_CASES)).collect()))
            }
            Kind::GetFedCase => Call::GetFedCase(random.below(FED_CASES)),
            Kind::ListFedCases => Call::ListFedCases,
            Kind::CloseCase => Call::CloseCase(random.below(FED_CASES)),
        })
    }

    /// Returns a new batch: mostly of a few tasks, sometimes of as many as one may have.
    pub(crate) fn batch(&self, tenant: &Tenant, random: &mut Random) -> NewTasks {
        let count = if random.one_in(20) { 25 } else { 2 + random.below(4) };
        self.new_tasks(tenant, count, random)
    }

    fn new_tasks(&self, tenant: &Tenant, count: usize, random: &mut Random) -> NewTasks {
        NewTasks {
            number: self.last_number.fetch_add(1, Ordering::Relaxed) + 1,
            case_id: case_of(tenant, random),
            assignees: (0..count).map(|_| random.below(USERS + 1)).collect(),
        }
    }
}

/// Returns one of the cases that are there from the beginning.
fn case_of(tenant: &Tenant, random: &mut Random) -> i64 {
    i64::try_from(tenant.number * CASES + 1 + random.below(CASES)).unwrap()
}

/// Returns the numbers in order, each once: requests that change the same things then don't wait for each
/// other in turns.
fn distinct(mut numbers: Vec<usize>) -> Vec<usize> {
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
