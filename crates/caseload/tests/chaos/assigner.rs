//! A client that creates tasks for a user in each way that there is: so the names of the user are kept with
//! idempotency keys of each operation.

use std::sync::Arc;

use crate::{
    batch::Batch,
    endpoints::{
        Action, Answer, BatchRequest, CaseAction, CaseAnswer, CaseContents, CaseRequest, Contents,
        Edit,
    },
    history::{Entry, History},
    known::{GivenUp, Known, KnownStates},
    patience::{Attempts, End, GivesUp, Patience},
};

pub(crate) struct Assigner {
    /// That of the client whose users they are.
    pub(crate) number: usize,
    pub(crate) tenant: usize,
    pub(crate) patience: Patience,
    pub(crate) history: Arc<History>,
    pub(crate) cases: Arc<KnownStates>,
    /// How many tasks it has wanted to create.
    pub(crate) count: usize,
}

/// Whether a task was assigned to a user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Assigned {
    Yes,
    /// Rejected, for this reason.
    No(String),
    /// Not answered until the time limit.
    Unknown,
}

/// How a request to create a task ended.
enum Creation {
    /// Created, with these rows.
    Created(String),
    Rejected(String, Attempts),
    Stuck,
}

impl Assigner {
    /// Creates a task that is assigned to a user, if the user can be assigned.
    pub(crate) async fn assign(&mut self, user: i64, email: &str) -> Assigned {
        self.count += 1;
        let name = format!("chaos-68{}-{}", self.number, self.count);
        let batch = Batch::assigned(name, self.tenant, &mut self.patience.random, email);
        let creation = match self.patience.random.below(3) {
            0 => self.create_batch(&batch).await,
            1 => self.create_task(&batch, user, email).await,
            _ => self.create_case(&batch).await,
        };
        let (entry, assigned) = match creation {
            Creation::Created(rows) => (Entry::Acknowledged(rows.into()), Assigned::Yes),
            Creation::Rejected(reason, attempts) => {
                if !["UNKNOWN_USER", "USER_DEACTIVATED"].contains(&reason.as_str()) {
                    self.unexpected(&batch, &reason);
                }
                // An attempt before may have been made while the user could be assigned.
                let entry =
                    if attempts.may_have_succeeded { Entry::GivenUp } else { Entry::Refused };
                (entry, Assigned::No(reason))
            }
            Creation::Stuck => (Entry::Stuck, Assigned::Unknown),
        };
        self.history.record(&batch.name, entry);
        assigned
    }

    async fn create_batch(&mut self, batch: &Batch) -> Creation {
        let request = BatchRequest { batch, idempotency_key: &batch.name };
        match self.patience.ask(&request, GivesUp::Never).await {
            End::Answered(response, _) => {
                if !batch.matches(&response.tasks) {
                    self.unexpected(batch, "the response has other tasks than the request");
                }
                Creation::Created(response.expected_rows(batch.tenant, batch.case_id))
            }
            End::Rejected(reason, attempts) => Creation::Rejected(reason, attempts),
            End::TimedOut(_) | End::Refused | End::Stuck => Creation::Stuck,
        }
    }

    async fn create_task(&mut self, batch: &Batch, user: i64, email: &str) -> Creation {
        let contents = Contents {
            description: batch.descriptions().concat(),
            completed: false,
            emails: vec![email.to_owned()],
        };
        let Batch { name, tenant, case_id, .. } = batch;
        let action = Action::Create(contents.clone(), name.clone());
        let request = Edit { tenant: *tenant, case_id: *case_id, action };
        match self.patience.ask(&request, GivesUp::Never).await {
            End::Answered(Answer::Task(task), _) => {
                if task.contents != contents {
                    self.unexpected(batch, "the response has another task than the request");
                }
                Creation::Created(format!("{} {case_id} {}:{user}", tenant + 1, task.id))
            }
            End::Rejected(reason, attempts) => Creation::Rejected(reason, attempts),
            End::Answered(..) | End::TimedOut(_) | End::Refused | End::Stuck => Creation::Stuck,
        }
    }

    async fn create_case(&mut self, batch: &Batch) -> Creation {
        let mut known = Known::new(batch.name.clone());
        let name = format!("{}-0 assigned", batch.name);
        let contents = CaseContents::random(name, &mut self.patience.random);
        let action = CaseAction::Create(contents.clone(), Some(batch.clone()), batch.name.clone());
        let request = CaseRequest { tenant: batch.tenant, action };
        let creation = match self.patience.ask(&request, GivesUp::Never).await {
            End::Answered(CaseAnswer::Case(case), _) => {
                let created = case.created.unwrap();
                if !batch.matches(&created.tasks) {
                    self.unexpected(batch, "the response has other tasks than the request");
                }
                (known.id, known.states) = (case.id, vec![contents.state()]);
                Creation::Created(created.expected_rows(batch.tenant, case.id))
            }
            End::Rejected(reason, attempts) => {
                if attempts.may_have_succeeded {
                    known.given_up = Some(GivenUp { state: contents.state(), told: None });
                }
                Creation::Rejected(reason, attempts)
            }
            End::Answered(..) | End::TimedOut(_) | End::Refused | End::Stuck => {
                known.is_stuck = true;
                Creation::Stuck
            }
        };
        self.cases.record(known);
        creation
    }

    fn unexpected(&self, batch: &Batch, what: &str) {
        self.patience.report.unexpected(format!("{}: {what}", batch.name));
    }
}
