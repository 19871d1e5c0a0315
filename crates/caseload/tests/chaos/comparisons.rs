//! What clients read of lists, histories and records, compared with what they know. Each is read in full, over
//! one of the ways that there are, while faults are injected.

use std::collections::HashSet;

use proto::{
    directory::v1::User,
    tasks::v1::{IdempotencyRecord, Task},
};

use crate::{
    endpoints::{Contents, EventList, RecordRequest, TaskList, UserList},
    patience::{Pages, Patience},
    person::Person,
    shelf::Shelf,
    task_events,
};

pub(crate) const HISTORIES: &str = "histories of tasks compared";
pub(crate) const TASK_LISTS: &str = "lists of tasks compared";
pub(crate) const CASE_LISTS: &str = "lists of cases compared";
pub(crate) const USER_LISTS: &str = "lists of users compared";
pub(crate) const RECORDS: &str = "records of idempotency keys compared";

/// Compares the history of a task with all contents that it has had, one after the other.
pub(crate) async fn history(
    patience: &mut Patience,
    (tenant, case_id, task_id): (usize, i64, i64),
    contents: &[Contents],
    is_deleted: bool,
) {
    let list = EventList { case_id, task_id };
    let Some(events) = patience.read(tenant, &list, Pages::OfAnySize).await else { return };
    let place = (tenant, case_id, task_id);
    if let Some(error) = task_events::error(&events, place, contents, is_deleted) {
        patience.report.unexpected(format!("the task {task_id}: {error}"));
    }
    patience.report.count(HISTORIES);
}

/// Compares the tasks of a case with those that were created in it, and that nobody changes.
pub(crate) async fn tasks(patience: &mut Patience, tenant: usize, case_id: i64, created: &[Task]) {
    let list = TaskList { case_id };
    let Some(found) = patience.read(tenant, &list, Pages::OfAnySize).await else { return };
    if found != created {
        let what = format!("the case {case_id} has the tasks {found:?} instead of {created:?}");
        patience.report.unexpected(what);
    }
    patience.report.count(TASK_LISTS);
}

/// Compares a list of cases with those of a keeper.
pub(crate) async fn cases(patience: &mut Patience, tenant: usize, shelf: &Shelf) {
    let list = shelf.list(&mut patience.random);
    // What is in doubt may come or go between two pages over REST, which are counted from the start.
    let pages = if shelf.is_in_doubt() { Pages::Large } else { Pages::OfAnySize };
    let Some(found) = patience.read(tenant, &list, pages).await else { return };
    if let Some(error) = shelf.error(&list, &found) {
        patience.report.unexpected(error);
    }
    patience.report.count(CASE_LISTS);
}

/// Compares the record of an idempotency key with what was created with it.
pub(crate) async fn record(patience: &mut Patience, tenant: usize, expected: &IdempotencyRecord) {
    let request = RecordRequest { tenant, idempotency_key: expected.request_id.clone() };
    let Some((record, _)) = patience.insist(&request).await else {
        return patience.report.unexpected(format!("{expected:?} was not read"));
    };
    if record != *expected {
        patience.report.unexpected(format!("{record:?} instead of {expected:?}"));
    }
    patience.report.count(RECORDS);
}

/// Compares the list of all users of a tenant, or of those who are active or not, with what is known of some.
/// None of those who were erased may be in it under their names.
pub(crate) async fn users(
    patience: &mut Patience,
    tenant: usize,
    people: &[Person],
    erased: &HashSet<String>,
) {
    let active = patience.random.pick(&[None, Some(true), Some(false)]);
    let list = UserList { active, ..UserList::default() };
    let Some(found) = patience.read(tenant, &list, Pages::OfAnySize).await else { return };
    let id = |user: &User| user.id.parse::<i64>().unwrap_or_default();
    if !found.is_sorted_by(|one, next| id(one) < id(next)) {
        patience.report.unexpected("users are not in the order of their ids".to_owned());
    }
    for user in &found {
        let is_erased = erased.contains(&user.external_id) || erased.contains(name_in(&user.email));
        let is_active = user.deactivated_at.is_none();
        if is_erased || active.is_some_and(|active| active != is_active) {
            patience.report.unexpected(format!("{list:?} has {user:?}"));
        }
    }
    for person in people {
        let is_listed = active.is_none_or(|active| active == person.is_active);
        compare_user(patience, &list, &found, is_listed.then_some(person), &person.known.name);
    }
    patience.report.count(USER_LISTS);
}

/// Compares the list of the users with an email, or with an external id, with the only one who has it, or who
/// had it before they were erased.
pub(crate) async fn user(patience: &mut Patience, tenant: usize, person: &Person, is_erased: bool) {
    let mut list = UserList::default();
    match patience.random.one_in(2) {
        true => list.email = person.email().to_uppercase(),
        false => list.external_id.clone_from(&person.known.name),
    }
    let Some(found) = patience.read(tenant, &list, Pages::OfAnySize).await else { return };
    let expected = (!is_erased).then_some(person);
    if found.len() != usize::from(!is_erased) {
        patience.report.unexpected(format!("{list:?} has {found:?}"));
    }
    compare_user(patience, &list, &found, expected, &person.known.name);
    patience.report.count(USER_LISTS);
}

/// Compares the user with this external id in a list with what is known of them; `None` if there must be none.
fn compare_user(
    patience: &Patience,
    list: &UserList,
    found: &[User],
    expected: Option<&Person>,
    name: &str,
) {
    let found: Vec<_> = found.iter().filter(|user| user.external_id == name).collect();
    let is_as_expected = match (&found[..], expected) {
        ([], None) => true,
        ([user], Some(person)) => person.is(user, person.step),
        _ => false,
    };
    if !is_as_expected {
        patience.report.unexpected(format!("{list:?} has {found:?} of {name}"));
    }
}

/// Returns the name of a fed user in their email, which is followed by the number of the change.
fn name_in(email: &str) -> &str {
    let name = email.split('@').next().unwrap_or_default();
    name.rsplit_once('-').map_or("", |(name, _)| name)
}
