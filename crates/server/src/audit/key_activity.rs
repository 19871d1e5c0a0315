//! How one API key is used.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// The most client addresses of a key in a day.
const MOST_ADDRESSES: usize = 100;

/// How many of them are found without a lock.
const RECENT: usize = 16;

/// Clients can't choose their addresses so that they are taken for others.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// When a key was last used, and from where today.
#[derive(Debug, Default)]
pub(crate) struct KeyActivity {
    /// The minute of the last use, since 1970.
    minute: AtomicU64,
    /// The hashes of some of today's clients, each with the day: most calls come from one of these, and only read here.
    /// So the calls of a busy key, on all threads, wait for nothing and write nothing that others read.
    recent: [AtomicU64; RECENT],
    today: Mutex<Today>,
}

/// The clients of a day. An IPv6 network of 64 bits counts as one.
#[derive(Debug, Default)]
struct Today {
    /// Since 1970.
    day: u64,
    clients: HashSet<Option<IpAddr>>,
    /// Whether there were too many.
    is_full: bool,
}

/// Whether a client has used the key today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Not yet.
    Never,
    /// It has.
    Before,
    /// There are too many clients to tell, which is returned once a day.
    TooMany,
}

impl KeyActivity {
    /// Notes a use. Returns whether there was none in this minute before.
    pub(crate) fn is_used_in_another_minute(&self, time: SystemTime) -> bool {
        let minute = seconds(time) / 60;
        self.minute.load(Relaxed) != minute && self.minute.swap(minute, Relaxed) != minute
    }

    /// Notes a use by a client. Returns whether it has used the key today, in UTC.
    pub(crate) fn see(&self, client: Option<IpAddr>, time: SystemTime) -> Seen {
        let day = day(time);
        // None of them is that of a place which is free.
        let hash = HASHER.hash_one((day, client)).max(1);
        let recent = &self.recent[hash as usize % RECENT];
        if recent.load(Relaxed) == hash {
            return Seen::Before;
        }
        let seen = self.see_anew(client, day);
        recent.store(hash, Relaxed);
        seen
    }

    fn see_anew(&self, client: Option<IpAddr>, day: u64) -> Seen {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.day != day {
            *today = Today { day, ..Today::default() };
        }
        if today.is_full || today.clients.contains(&client) {
            return Seen::Before;
        }
        if today.clients.len() >= MOST_ADDRESSES {
            *today = Today { day, is_full: true, ..Today::default() };
            return Seen::TooMany;
        }
        today.clients.insert(client);
        Seen::Never
    }

    /// Returns whether the key was not used on the day of this time.
    pub(super) fn is_old(&self, time: SystemTime) -> bool {
        self.today.lock().unwrap_or_else(PoisonError::into_inner).day != day(time)
    }
}

fn day(time: SystemTime) -> u64 {
    seconds(time) / (24 * 3600)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_use_is_noted_once_a_minute() {
        let key = KeyActivity::default();
        let noted = [60, 61, 119, 120, 121, 60 * 60];
        let noted = noted.map(|second| key.is_used_in_another_minute(at(second)));
        assert_eq!(noted, [true, false, false, true, false, true]);
    }

    #[test]
    fn a_client_is_new_once_a_day_and_there_are_not_too_many() {
        let key = KeyActivity::default();
        let client = |number: u32| Some(IpAddr::from(Ipv4Addr::from(number)));
        let day = 24 * 3600;
        assert_eq!(key.see(client(1), at(day)), Seen::Never);
        assert_eq!(key.see(client(1), at(2 * day - 1)), Seen::Before);
        assert_eq!(key.see(None, at(2 * day - 1)), Seen::Never);
        assert!(!key.is_old(at(2 * day - 1)) && key.is_old(at(2 * day)));
        assert_eq!(key.see(client(1), at(2 * day)), Seen::Never);
        for number in 2..=100 {
            assert_eq!(key.see(client(number), at(2 * day)), Seen::Never);
        }
        assert_eq!(key.see(client(101), at(2 * day)), Seen::TooMany);
        assert_eq!(key.see(client(102), at(2 * day)), Seen::Before);
    }

    #[test]
    fn a_client_that_is_known_is_found_while_others_hold_the_lock() {
        let key = KeyActivity::default();
        let client = |number: u32| Some(IpAddr::from(Ipv4Addr::from(number)));
        assert_eq!(key.see(client(1), at(0)), Seen::Never);
        let _locked = key.today.lock().unwrap();
        assert_eq!(key.see(client(1), at(0)), Seen::Before);
    }

    #[test]
    fn of_threads_that_see_a_client_at_the_same_time_one_is_told_that_it_is_new() {
        let key = KeyActivity::default();
        let news = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..MOST_ADDRESSES {
                        let client = u32::try_from(number).ok().map(|it| Ipv4Addr::from(it).into());
                        let is_new = key.see(client, at(0)) == Seen::Never;
                        news.fetch_add(usize::from(is_new), Relaxed);
                    }
                });
            }
        });
        assert_eq!(news.into_inner(), MOST_ADDRESSES);
    }
}
