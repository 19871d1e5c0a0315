//! Which of a tenant's jobs belong in the lane.

use std::time::{Duration, Instant};

use domain::CaseId;

/// How long it is remembered that a job has waited for a lock in vain. Without jobs in the lane, only
/// that keeps the next ones from making others wait again.
const REMEMBERED: Duration = Duration::from_secs(10);

/// The most cases of a tenant that are set apart one by one. With one more, all of the tenant's jobs
/// are: what they wait for is then more than a case, such as a user that many cases have, and each
/// further case would make others wait once.
const MAX_CASES: usize = 2;

/// Which of a tenant's jobs belong in the lane.
#[derive(Debug)]
pub(super) enum Scope {
    /// Those of these cases, each remembered until then at least.
    Cases(Vec<(CaseId, Instant)>),
    /// All, remembered until then at least.
    Tenant(Instant),
}

/// Which jobs belong in the lane in addition, now that one was blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::write_path) enum Addition {
    /// None: they do already.
    None,
    /// Those of the same case.
    Case,
    /// All others of the same tenant.
    Tenant,
}

impl Scope {
    pub(super) const fn new() -> Self {
        Self::Cases(Vec::new())
    }

    pub(super) fn covers(&self, case: CaseId) -> bool {
        match self {
            Self::Cases(cases) => cases.iter().any(|(of, _)| *of == case),
            Self::Tenant(_) => true,
        }
    }

    /// Adds the case of a job that was blocked now.
    pub(super) fn add(&mut self, case: CaseId, now: Instant) -> Addition {
        let until = now + REMEMBERED;
        let (addition, cases) = match self {
            Self::Tenant(of_tenant) => {
                *of_tenant = until;
                return Addition::None;
            }
            Self::Cases(cases) => {
                let known = cases.iter().position(|(of, _)| *of == case);
                let _known = known.map(|index| cases.remove(index));
                (if known.is_some() { Addition::None } else { Addition::Case }, cases)
            }
        };
        if cases.len() >= MAX_CASES {
            *self = Self::Tenant(until);
            return Addition::Tenant;
        }
        cases.push((case, until));
        addition
    }

    /// Removes the case of a job that has got its lock; or everything, if that was added as one and no
    /// other job is blocked.
    pub(super) fn remove(&mut self, case: CaseId, are_others_blocked: bool) {
        match self {
            Self::Cases(cases) => cases.retain(|(of, _)| *of != case),
            Self::Tenant(_) if !are_others_blocked => *self = Self::new(),
            Self::Tenant(_) => {}
        }
    }

    /// Removes what need not be remembered any more: what has no blocked jobs and whose time is over.
    pub(super) fn tidy(&mut self, now: Instant, blocked: &[CaseId]) {
        match self {
            Self::Cases(cases) => {
                cases.retain(|(case, until)| *until >= now || blocked.contains(case));
            }
            Self::Tenant(until) if *until < now && blocked.is_empty() => *self = Self::new(),
            Self::Tenant(_) => {}
        }
    }

    /// Returns until when something is remembered; `None` if nothing is.
    pub(super) fn until(&self) -> Option<Instant> {
        match self {
            Self::Cases(cases) => cases.iter().map(|(_, until)| *until).max(),
            Self::Tenant(until) => Some(*until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(id: i64) -> CaseId {
        CaseId::new(id).unwrap()
    }

    #[test]
    fn a_few_cases_are_set_apart_one_by_one_and_with_more_the_tenant_is() {
        let (mut scope, now) = (Scope::new(), Instant::now());
        assert_eq!(scope.add(case(1), now), Addition::Case);
        assert_eq!(scope.add(case(2), now), Addition::Case);
        assert_eq!(scope.add(case(1), now), Addition::None);
        assert!(scope.covers(case(1)) && scope.covers(case(2)) && !scope.covers(case(3)));

        scope.remove(case(1), true);
        assert!(!scope.covers(case(1)));
        assert_eq!(scope.add(case(3), now), Addition::Case);
        assert_eq!(scope.add(case(4), now), Addition::Tenant);
        assert_eq!(scope.add(case(5), now), Addition::None);
        assert!(scope.covers(case(6)));
        scope.remove(case(4), true);
        assert!(scope.covers(case(4)));
        scope.remove(case(3), false);
        assert!(scope.until().is_none() && !scope.covers(case(3)));
    }

    #[test]
    fn what_has_no_blocked_jobs_is_remembered_for_a_while() {
        let (mut scope, now) = (Scope::new(), Instant::now());
        let later = now + 2 * REMEMBERED;
        scope.add(case(1), now);
        scope.add(case(2), now);
        scope.tidy(now, &[]);
        assert!(scope.covers(case(1)) && scope.covers(case(2)));
        scope.tidy(later, &[case(2)]);
        assert!(!scope.covers(case(1)) && scope.covers(case(2)));

        scope.add(case(1), later);
        scope.add(case(3), later);
        scope.tidy(later + 2 * REMEMBERED, &[case(1)]);
        assert!(scope.covers(case(9)));
        scope.tidy(later + 2 * REMEMBERED, &[]);
        assert!(scope.until().is_none());
    }
}
