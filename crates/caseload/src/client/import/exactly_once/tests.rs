//! Imports that are stopped and run again, on a server that is a table of keys.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
};

use proptest::prelude::*;

use super::*;
use crate::client::import::window::Record;

/// A server, as far as keys go: all that it knows is which tasks were created under which key.
#[derive(Default)]
struct Server {
    requests: Mutex<HashMap<String, Vec<String>>>,
    created: Mutex<Vec<String>>,
    /// Emails of no user: tasks with them are refused if their key was not used.
    unknown: Mutex<HashSet<String>>,
    /// How many calls are answered until the client is stopped.
    calls_left: Mutex<usize>,
    /// The responses of how many of three calls are lost; clients see the next ones.
    losses: Mutex<usize>,
    /// Whether the call at which the client is stopped is carried out.
    last_is_done: Mutex<bool>,
}

impl Server {
    /// Whether the response of this call was lost once.
    fn is_lossy(&self) -> bool {
        let answered = self.calls_left.lock().unwrap();
        *answered % 3 < *self.losses.lock().unwrap()
    }

    fn answer(&self, tasks: &Tasks<'_>, key: String) -> Answer {
        let texts: Vec<String> = tasks.iter().map(|(_, task)| task.description.clone()).collect();
        let faults = |is_at_fault: &dyn Fn(&str) -> bool| -> BTreeMap<usize, String> {
            let at_fault = tasks.iter().filter(|(_, task)| is_at_fault(&task.description));
            at_fault.map(|(place, _)| (*place, "a reason".to_owned())).collect()
        };
        let malformed = faults(&|text| text.is_empty());
        if !malformed.is_empty() {
            return Answer::Refused(malformed);
        }
        let mut requests = self.requests.lock().unwrap();
        if let Some(first) = requests.get(&key) {
            let was_lost = self.is_lossy();
            return if *first == texts { Answer::Replayed { was_lost } } else { Answer::KeyUsed };
        }
        let unknown = self.unknown.lock().unwrap();
        let faults = faults(&|text| unknown.contains(text));
        if !faults.is_empty() {
            return Answer::Refused(faults);
        }
        self.created.lock().unwrap().extend(texts.clone());
        requests.insert(key, texts);
        // A client whose attempt was lost sees a replay.
        if self.is_lossy() { Answer::Replayed { was_lost: true } } else { Answer::Created }
    }
}

impl Server {
    /// Counts a call. Returns whether it is answered.
    fn count(&self) -> bool {
        let mut left = self.calls_left.lock().unwrap();
        let is_answered = *left > 0;
        *left = left.saturating_sub(1);
        is_answered
    }
}

impl Creator for Server {
    async fn is_used(&self, key: String) -> Result<bool, CallError> {
        if self.count() {
            return Ok(self.requests.lock().unwrap().contains_key(&key));
        }
        Err(CallError::Lost("the client was killed".to_owned()))
    }

    async fn create(&self, tasks: &Tasks<'_>, key: String) -> Result<Answer, CallError> {
        if self.count() {
            return Ok(self.answer(tasks, key));
        }
        if *self.last_is_done.lock().unwrap() {
            self.answer(tasks, key);
        }
        Err(CallError::Lost("the client was killed".to_owned()))
    }
}

/// A change of a file.
#[derive(Clone, Copy, Debug)]
enum Edit {
    Remove,
    Insert,
    Replace,
    Append,
}

fn edit(file: &mut Vec<Option<String>>, edit: Edit, place: usize, number: usize) {
    let place = place % file.len().max(1);
    let new = Some(format!("edit {number}"));
    match edit {
        Edit::Remove if !file.is_empty() => drop(file.remove(place)),
        Edit::Insert => file.insert(place, new),
        Edit::Replace if !file.is_empty() => file[place] = new,
        Edit::Remove | Edit::Replace | Edit::Append => file.push(new),
    }
}

/// Imports a file in windows of three records: checks all of them, then creates them.
fn run_file(server: &Server, file: &[Option<String>], is_backwards: bool) -> Result<(), Stop> {
    let key = ImportKey::new(1, "tasks.csv");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let windows = file.chunks(3).zip(0..).map(|(texts, number)| {
        let mut window = window(texts);
        window.first = number * 3;
        window
    });
    let mut windows: Vec<_> = windows.collect();
    runtime.block_on(async {
        for window in &windows {
            check(server, &key, window, 3).await?;
        }
        for number in 0..8 {
            let mut behind = window(&[]);
            behind.first = 3 * (windows.len() as u64 + number);
            check(server, &key, &behind, 3).await?;
        }
        // Several windows are under way at once, so any may be the first.
        if is_backwards {
            windows.reverse();
        }
        for window in &windows {
            create(server, &key, window).await?;
        }
        Ok(())
    })
}

/// A record, which is malformed if it has no text.
fn window(texts: &[Option<String>]) -> Window<NewTask> {
    let records = texts.iter().zip(2..).map(|(text, line)| Record {
        line,
        last_line: line,
        raw: vec![],
        item: text.clone().map(task).ok_or_else(|| "malformed".to_owned()),
    });
    Window { first: 50, records: records.collect(), last_line: 1 + texts.len() as u64, bytes: 0 }
}

fn task(description: String) -> NewTask {
    NewTask { description, assignee_emails: vec![] }
}

fn texts(range: std::ops::Range<usize>) -> Vec<Option<String>> {
    range.map(|number| Some(format!("task {number}"))).collect()
}

fn run(server: &Server, texts: &[Option<String>]) -> Result<Outcome, Stop> {
    let key = ImportKey::new(1, "tasks.csv");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let window = window(texts);
        let before = server.created.lock().unwrap().len();
        check(server, &key, &window, 25).await?;
        assert_eq!(server.created.lock().unwrap().len(), before, "a check creates nothing");
        create(server, &key, &window).await
    })
}

fn endless() -> Server {
    Server { calls_left: usize::MAX.into(), ..Server::default() }
}

fn refused(outcome: &Outcome) -> Vec<usize> {
    outcome.refused.keys().copied().collect()
}

#[test]
fn lines_that_are_corrected_in_place_are_created_and_no_other_again() {
    let server = endless();
    server.unknown.lock().unwrap().insert("task 3".to_owned());
    let mut file = texts(0..25);
    file[7] = None;
    file[9] = Some(String::new());
    let first = run(&server, &file).unwrap();
    assert_eq!((first.counts.created, refused(&first)), (22, vec![3, 7, 9]));

    file[7] = Some("task 7, corrected".to_owned());
    file[9] = Some("task 9, corrected".to_owned());
    server.unknown.lock().unwrap().clear();
    let second = run(&server, &file).unwrap();
    assert_eq!((second.counts.created, second.counts.created_before), (3, 22));
    assert_eq!((refused(&second), server.created.lock().unwrap().len()), (vec![], 25));
}

#[test]
fn lines_that_were_added_at_the_end_are_created_and_no_other_again() {
    let server = endless();
    for (length, created) in [(13, 13), (14, 1), (25, 11), (25, 0)] {
        let outcome = run(&server, &texts(0..length)).unwrap();
        assert_eq!(outcome.counts.created, created, "of {length}");
        assert_eq!(outcome.counts.created_before as usize, length - created as usize);
    }
    assert_eq!(server.created.lock().unwrap().len(), 25);
}

#[test]
fn a_window_that_was_changed_otherwise_is_a_conflict_and_creates_nothing() {
    let changes: [fn(&mut Vec<Option<String>>); 4] = [
        |file| file[3] = Some("another".to_owned()),
        |file| drop(file.remove(0)),
        |file| file.insert(0, Some("new".to_owned())),
        |file| file[3] = None,
    ];
    for change in changes {
        let server = endless();
        let mut file = texts(0..24);
        run(&server, &file).unwrap();
        change(&mut file);
        let outcome = run(&server, &file);
        let Err(Stop::Conflict { first_line, last_line }) = outcome else { panic!("{outcome:?}") };
        assert_eq!((first_line, last_line), (2, 1 + file.len() as u64));
        assert_eq!(server.created.lock().unwrap().len(), 24);
    }
}

#[test]
fn a_line_that_was_created_by_itself_and_changed_since_is_a_conflict() {
    for change in [Some("another".to_owned()), None, Some(String::new())] {
        let server = endless();
        let mut file = texts(0..5);
        file[0] = None;
        run(&server, &file).unwrap();
        file[3] = change;
        assert!(matches!(run(&server, &file), Err(Stop::Conflict { .. })));
        assert_eq!(server.created.lock().unwrap().len(), 4);
    }
}

proptest! {
    /// Runs are stopped at any call, which is carried out or not, while users come and go and
    /// lines are corrected. In the end each line that can be created exists once.
    #[test]
    fn each_line_is_created_once_however_often_the_import_is_stopped(
        length in 1_usize..26,
        malformed in prop::collection::vec(0_usize..25, 0..4),
        blank in prop::collection::vec(0_usize..25, 0..4),
        stops in prop::collection::vec(
            (0_usize..30, any::<bool>(), prop::collection::vec(0_usize..25, 0..4), any::<bool>()),
            0..5,
        ),
    ) {
        let server = Server::default();
        let mut file = texts(0..length);
        for place in malformed {
            if let Some(text) = file.get_mut(place) { *text = None; }
        }
        for place in blank {
            if let Some(text) = file.get_mut(place) { *text = Some(String::new()); }
        }
        for (calls, last_is_done, unknown, corrects) in stops {
            *server.calls_left.lock().unwrap() = calls;
            *server.last_is_done.lock().unwrap() = last_is_done;
            *server.unknown.lock().unwrap() =
                unknown.iter().map(|place| format!("task {place}")).collect();
            let stopped = run(&server, &file);
            let is_conflict = matches!(stopped, Err(Stop::Conflict { .. }));
            prop_assert!(!is_conflict, "{:?}", stopped);
            if corrects {
                for (place, text) in file.iter_mut().enumerate() {
                    if text.as_ref().is_none_or(String::is_empty) {
                        *text = Some(format!("task {place}"));
                    }
                }
            }
        }
        *server.calls_left.lock().unwrap() = usize::MAX;
        server.unknown.lock().unwrap().clear();
        let outcome = run(&server, &file).unwrap();

        let mut expected: Vec<String> =
            file.iter().flatten().filter(|text| !text.is_empty()).cloned().collect();
        let mut created = server.created.lock().unwrap().clone();
        expected.sort();
        created.sort();
        prop_assert_eq!(&created, &expected);
        let counts = outcome.counts;
        prop_assert_eq!((counts.created + counts.created_before) as usize, expected.len());
        prop_assert_eq!(outcome.refused.len(), file.len() - expected.len());
    }

    /// However a file is changed between runs that are stopped anywhere, no line is created twice.
    #[test]
    fn no_line_is_created_twice_whatever_becomes_of_the_file(
        length in 1_usize..14,
        malformed in prop::collection::vec(0_usize..14, 0..3),
        runs in prop::collection::vec(
            (
                prop::collection::vec(0_usize..14, 0..4),
                prop_oneof![Just(usize::MAX), 0_usize..60],
                any::<(bool, bool)>(),
                prop::option::of((
                    prop::sample::select(
                        [Edit::Remove, Edit::Insert, Edit::Replace, Edit::Append].as_slice()
                    ),
                    0_usize..20,
                )),
            ),
            1..6,
        ),
    ) {
        let server = Server::default();
        let mut file = texts(0..length);
        for place in malformed {
            if let Some(text) = file.get_mut(place) { *text = None; }
        }
        for (number, (unknown, calls, (is_backwards, last_is_done), change)) in
            runs.into_iter().enumerate()
        {
            *server.calls_left.lock().unwrap() = calls;
            *server.last_is_done.lock().unwrap() = last_is_done;
            *server.unknown.lock().unwrap() =
                unknown.iter().map(|place| format!("task {place}")).collect();
            let _stopped = run_file(&server, &file, is_backwards);
            if let Some((change, place)) = change {
                edit(&mut file, change, place, number);
            }
        }
        let created = server.created.lock().unwrap().clone();
        let different: HashSet<&String> = created.iter().collect();
        prop_assert_eq!(different.len(), created.len(), "{:?}", created);
    }
}
