//! What calls about users are to do.

use super::{Model, error, invalid, is_malformed, one_user};
use crate::directory::model::{
    operation::{Request, UserEntry, UserName},
    state::{NEW, Outcome, User},
};

impl Model {
    pub(super) fn upsert_users(
        &self,
        tenant: i64,
        entries: &[UserEntry],
        is_trial: bool,
    ) -> Result<Outcome, String> {
        let of_each = entries.iter().enumerate();
        let of_each = of_each.flat_map(|(index, entry)| entry.violations(&entries[..index]));
        invalid(&of_each.collect::<Vec<_>>())?;
        let (mut ids, mut violations) = (Vec::new(), Vec::new());
        for entry in entries {
            let has_external_id = !entry.external_id.is_empty();
            let known = self.user_where(tenant, |user| {
                has_external_id && user.external_id == entry.external_id
            });
            let holder = self.user_where(tenant, |user| user.email == entry.email.to_lowercase());
            let named = holder.filter(|user| !has_external_id || user.external_id.is_empty());
            let id = known.or(named).and_then(|user| user.id);
            if id.is_some() && ids.contains(&id) {
                violations.push("DUPLICATE");
            } else if holder.is_some_and(|user| user.id != id) {
                violations.push("EMAIL_TAKEN");
            }
            ids.push(id);
        }
        invalid(&violations)?;
        let fed = entries.iter().zip(ids).map(|(entry, id)| {
            let before = id.map(|id| &self.users[&id].1);
            let new = || {
                let id = (!is_trial).then_some(NEW);
                User { id, is_active: true, ..User::default() }
            };
            let user = entry.apply(before.cloned().unwrap_or_else(new));
            let change = match before {
                None => "Created",
                Some(before) if *before == user => "Unchanged",
                Some(_) => "Updated",
            };
            (Some(change), user)
        });
        Ok(Outcome::Users(fed.collect()))
    }

    pub(super) fn find_user(
        &self,
        tenant: i64,
        request: &Request,
        name: UserName,
    ) -> Result<&User, String> {
        let found = match name {
            UserName::Id => self.user_where(tenant, |user| user.id == Some(request.user)),
            UserName::Email(email) => {
                let email = request.email(email);
                if is_malformed(&email) {
                    invalid(&["INVALID_EMAIL"])?;
                }
                self.user_where(tenant, |user| user.email == email.to_lowercase())
            }
            UserName::ExternalId(id) => {
                if id.is_empty() {
                    invalid(&["REQUIRED"])?;
                }
                self.user_where(tenant, |user| user.external_id == id)
            }
        };
        found.ok_or_else(|| error("NOT_FOUND", &["USER_NOT_FOUND"]))
    }

    pub(super) fn list_users(
        &self,
        tenant: i64,
        active: Option<bool>,
        email: Option<&str>,
    ) -> Outcome {
        let email = email.map(str::to_lowercase);
        let listed = self
            .users_of(tenant)
            .filter(|user| active.is_none_or(|active| user.is_active == active))
            .filter(|user| email.as_ref().is_none_or(|email| user.email == *email));
        Outcome::Users(listed.map(|user| (None, user.clone())).collect())
    }

    pub(super) fn deactivate(
        &self,
        tenant: i64,
        request: &Request,
        name: UserName,
    ) -> Result<Outcome, String> {
        let user = self.find_user(tenant, request, name)?;
        Ok(one_user(&User { is_active: false, ..user.clone() }))
    }

    pub(super) fn reactivate(
        &self,
        tenant: i64,
        request: &Request,
        name: UserName,
    ) -> Result<Outcome, String> {
        let user = self.find_user(tenant, request, name)?;
        if user.is_erased {
            return Err(error("NOT_FOUND", &["USER_NOT_FOUND"]));
        }
        Ok(one_user(&User { is_active: true, ..user.clone() }))
    }

    pub(super) fn erase(
        &self,
        tenant: i64,
        request: &Request,
        name: UserName,
    ) -> Result<Outcome, String> {
        let id = self.find_user(tenant, request, name)?.id;
        let email = format!("erased-{}@erased.invalid", id.unwrap());
        Ok(one_user(&User { id, email, is_erased: true, ..User::default() }))
    }

    /// Stores a user as they are now.
    pub(super) fn set_user(&mut self, tenant: i64, change: Option<&'static str>, user: &User) {
        let id = user.id.expect("a user who is stored has an id");
        let before = self.users.insert(id, (tenant, user.clone()));
        assert_eq!(before.is_none(), change == Some("Created"), "{user:?}");
        if before.is_none() {
            self.created_users.push(id);
        }
        if user.is_erased {
            let records = self.records.values_mut().flat_map(|record| &mut record.tasks);
            let people = records.flat_map(|task| &mut task.assignees);
            for person in people.filter(|person| person.id == id) {
                person.first_name.clear();
                person.last_name.clear();
            }
        }
    }

    pub(super) fn user_where(
        &self,
        tenant: i64,
        is_wanted: impl Fn(&User) -> bool,
    ) -> Option<&User> {
        self.users_of(tenant).find(|user| is_wanted(user))
    }

    fn users_of(&self, tenant: i64) -> impl Iterator<Item = &User> {
        let of_tenant = self.users.values().filter(move |(other, _)| *other == tenant);
        of_tenant.map(|(_, user)| user)
    }
}

impl UserEntry {
    /// Returns what is wrong with the entry by itself, or after those before it.
    fn violations(&self, before: &[Self]) -> Vec<&'static str> {
        let email = self.email.to_lowercase();
        let is_repeated =
            |other: &Self| !self.external_id.is_empty() && other.external_id == self.external_id;
        let of_email = match &*email {
            "" => Some("REQUIRED"),
            email if is_malformed(email) || email.ends_with("@erased.invalid") => {
                Some("INVALID_EMAIL")
            }
            email => {
                let is_repeated = before.iter().any(|other| other.email.to_lowercase() == *email);
                is_repeated.then_some("DUPLICATE")
            }
        };
        let of_name =
            |name: Option<&str>| name.filter(|name| name.contains('\0')).map(|_| "CONTAINS_NUL");
        let violations = [
            before.iter().any(is_repeated).then_some("DUPLICATE"),
            of_email,
            of_name(self.first_name),
            of_name(self.last_name),
        ];
        violations.into_iter().flatten().collect()
    }

    /// Returns the user as they are to be.
    fn apply(&self, user: User) -> User {
        let name = |new: Option<&str>, old| new.map_or(old, |new| new.trim().to_owned());
        User {
            email: self.email.to_lowercase(),
            external_id: match self.external_id {
                "" => user.external_id,
                id => id.to_owned(),
            },
            first_name: name(self.first_name, user.first_name),
            last_name: name(self.last_name, user.last_name),
            ..user
        }
    }
}
