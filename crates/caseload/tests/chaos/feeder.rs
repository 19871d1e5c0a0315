//! A client that feeds users, some at a time: it creates them, changes, deactivates and reactivates them, and
//! erases some in the end, while tasks are assigned to them. Nobody else changes these users.

use std::{collections::HashSet, sync::Arc};

use proto::directory::v1::{Change, User};

use crate::{
    assigner::{Assigned, Assigner},
    comparisons::{self, USER_LISTS},
    endpoints::{DirectoryAction, DirectoryAnswer, DirectoryRequest},
    known::{ERASED, GivenUp, KnownStates},
    patience::{Attempts, End, GivesUp, Patience},
    person::Person,
    sabotage::Sabotage,
};

pub(crate) const FED: &str = "changes of users acknowledged";
pub(crate) const USERS_ERASED: &str = "users erased";
const GIVEN_UP: &str = "changes of users given up when their time was over";

pub(crate) struct Feeder {
    pub(crate) number: usize,
    pub(crate) tenant: usize,
    pub(crate) patience: Patience,
    pub(crate) users: Arc<KnownStates>,
    pub(crate) assigner: Assigner,
    pub(crate) sabotage: Option<Sabotage>,
}

impl Feeder {
    pub(crate) async fn run(mut self) {
        let mut number = 0;
        while self.patience.goes_on_until(&[USERS_ERASED, USER_LISTS]) {
            number += 1;
            let count =
                if self.patience.random.one_in(8) { 50 } else { 1 + self.patience.random.below(6) };
            let mut people: Vec<_> = (0..count)
                .map(|person| Person::new(format!("chaos-6{}-{number}-{person}", self.number)))
                .collect();
            self.live(&mut people).await;
            people.into_iter().for_each(|person| self.users.record(person.known));
        }
    }

    /// Leads users through their lives, as long as each of their changes is answered.
    async fn live(&mut self, people: &mut [Person]) -> Option<()> {
        self.feed(people, 0).await?;
        for step in 1..=1 + self.patience.random.below(4) {
            // An attempt that is still under way would undo what comes after.
            if people.iter().any(|person| person.may_change) {
                break;
            }
            let some = self.patience.random.below(people.len());
            self.feed(&mut people[some..], step).await?;
            let index = self.patience.random.below(people.len());
            if self.patience.random.one_in(2) && !people[index].may_change {
                self.switch(&mut people[index]).await?;
                self.read(&people[index]).await;
            }
        }
        if self.sabotage != Some(Sabotage::OldChanges) && self.patience.random.one_in(10) {
            let erased: HashSet<_> = self.users.names_that_end_as(ERASED).into_iter().collect();
            comparisons::users(&mut self.patience, self.tenant, people, &erased).await;
        }
        let count = 1 + self.patience.random.below(3);
        // Who was fed again after the erasure, by such an attempt, would be another user.
        for person in people.iter_mut().filter(|person| !person.may_change).take(count) {
            self.erase(person).await?;
        }
        Some(())
    }

    /// Feeds some users.
    async fn feed(&mut self, people: &mut [Person], step: usize) -> Option<()> {
        let users = |step: &dyn Fn(&Person) -> usize, people: &[Person]| {
            let users = people.iter().map(|person| person.upsert(step(person)));
            DirectoryAction::UpsertUsers(users.collect())
        };
        let feed = self.request(users(&|_| step, people));
        let old = self.request(users(&|person| person.step, people));
        let gives_up = match step > 0 && self.patience.random.one_in(6) {
            true => GivesUp::TimedOut,
            false => GivesUp::Never,
        };
        match self.patience.ask(&feed, gives_up).await {
            End::Answered(DirectoryAnswer::Users(fed), attempts) => {
                self.take(people, step, fed, attempts);
            }
            End::TimedOut(told) => {
                for person in people {
                    let state = Person::state(step, person.is_active);
                    let told = Some((format!("{}-{step}", person.known.name), told));
                    person.known.given_up = Some(GivenUp { state, told });
                }
                self.patience.report.count(GIVEN_UP);
                return None;
            }
            other => return self.end(people, other),
        }
        if step > 0 && self.sabotage == Some(Sabotage::OldChanges) {
            self.patience.insist(&old).await;
        } else if self.patience.random.one_in(4) {
            self.feed_again(people, &feed, step).await;
        }
        Some(())
    }

    /// Takes the response to a feed.
    fn take(
        &mut self,
        people: &mut [Person],
        step: usize,
        fed: Vec<(User, Change)>,
        attempts: Attempts,
    ) {
        if fed.len() != people.len() {
            self.patience.report.unexpected(format!("{} users of {}", fed.len(), people.len()));
        }
        let first = if step == 0 { Change::Created } else { Change::Updated };
        for (person, (user, change)) in people.iter_mut().zip(fed) {
            let is_explained =
                change == first || change == Change::Unchanged && attempts.may_have_succeeded;
            if !person.is(&user, step) || !is_explained {
                self.patience.report.unexpected(format!("step {step}: {change:?} {user:?}"));
            }
            person.known.id = user.id.parse().unwrap_or_default();
            person.known.states.push(Person::state(step, person.is_active));
            person.step = step;
            person.may_change |= attempts.may_have_succeeded;
            self.patience.report.count(FED);
        }
    }

    /// Feeds users again with the same: nothing changes.
    async fn feed_again(&mut self, people: &mut [Person], feed: &DirectoryRequest, step: usize) {
        let Some((DirectoryAnswer::Users(fed), attempts)) = self.patience.insist(feed).await else {
            return;
        };
        for (person, (user, change)) in people.iter_mut().zip(fed) {
            person.may_change |= attempts.may_have_succeeded;
            if !person.is(&user, step) || change != Change::Unchanged {
                self.patience.report.unexpected(format!("fed again: {change:?} {user:?}"));
            }
        }
    }

    /// Deactivates an active user, or reactivates one who is not. No task is assigned to the former, and one
    /// is to the latter.
    async fn switch(&mut self, person: &mut Person) -> Option<()> {
        let key = person.key(&mut self.patience.random);
        let action = match person.is_active {
            true => DirectoryAction::Deactivate(key),
            false => DirectoryAction::Reactivate(key),
        };
        match self.patience.ask(&self.request(action), GivesUp::Never).await {
            End::Answered(DirectoryAnswer::User(user), attempts) => {
                person.may_change = attempts.may_have_succeeded;
                person.is_active = !person.is_active;
                if !person.is(&user, person.step) {
                    self.patience.report.unexpected(format!("switched: {user:?}"));
                }
                person.known.states.push(Person::state(person.step, person.is_active));
                self.patience.report.count(FED);
            }
            other => return self.end(std::slice::from_mut(person), other),
        }
        let expected = match person.is_active {
            true => Assigned::Yes,
            false => Assigned::No("USER_DEACTIVATED".to_owned()),
        };
        self.assign(person.known.id, &person.email(), &expected).await;
        Some(())
    }

    /// Reads a user, who must be as they were last, by themselves or as a list.
    async fn read(&mut self, person: &Person) {
        if self.patience.random.one_in(2) {
            return comparisons::user(&mut self.patience, self.tenant, person, false).await;
        }
        let get = DirectoryAction::GetUser(person.key(&mut self.patience.random));
        match self.patience.insist(&self.request(get)).await {
            Some((DirectoryAnswer::User(user), _)) if person.is(&user, person.step) => {}
            Some((answer, _)) => self.patience.report.unexpected(format!("read: {answer:?}")),
            // They are stuck at the next change, too.
            None => {}
        }
    }

    /// Erases a user, while tasks are assigned to them.
    async fn erase(&mut self, person: &mut Person) -> Option<()> {
        let (id, email) = (person.known.id, person.email());
        if person.is_active {
            self.assigner.assign(id, &email).await;
        }
        let erase = self.request(DirectoryAction::Erase(person.id()));
        let (erased, _) = tokio::join!(
            self.patience.ask(&erase, GivesUp::Never),
            self.assigner.assign(id, &email)
        );
        match erased {
            End::Answered(DirectoryAnswer::User(user), _) => {
                let is_erased = user.erased_at.is_some()
                    && user.email == format!("erased-{id}@erased.invalid")
                    && [&user.first_name, &user.last_name, &user.external_id] == ["", "", ""];
                if !is_erased {
                    self.patience.report.unexpected(format!("erased: {user:?}"));
                }
                if person.is_active {
                    person.known.states.push(Person::state(person.step, false));
                }
                person.known.states.push(ERASED.to_owned());
                self.patience.report.count(USERS_ERASED);
            }
            other => return self.end(std::slice::from_mut(person), other),
        }
        self.assign(id, &email, &Assigned::No("UNKNOWN_USER".to_owned())).await;
        if self.patience.random.one_in(4) {
            comparisons::user(&mut self.patience, self.tenant, person, true).await;
        }
        Some(())
    }

    /// Assigns a task to a user, or is refused, as is expected.
    async fn assign(&mut self, user: i64, email: &str, expected: &Assigned) {
        let assigned = self.assigner.assign(user, email).await;
        if assigned != *expected && assigned != Assigned::Unknown {
            self.patience.report.unexpected(format!("the user {user} was assigned: {assigned:?}"));
        }
    }

    /// Ends the lives of users whose change was not answered as it should be.
    fn end(&self, people: &mut [Person], end: End<DirectoryAnswer>) -> Option<()> {
        match end {
            End::Answered(answer, _) => self.patience.report.unexpected(format!("{answer:?}")),
            End::Rejected(reason, _) => self.patience.report.unexpected(reason),
            End::TimedOut(_) | End::Refused | End::Stuck => {}
        }
        people.iter_mut().for_each(|person| person.known.is_stuck = true);
        None
    }

    fn request(&self, action: DirectoryAction) -> DirectoryRequest {
        DirectoryRequest { tenant: self.tenant, action }
    }
}
