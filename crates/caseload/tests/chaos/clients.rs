//! All clients of a run, and what they know.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{
    assigner::Assigner,
    batch::TENANTS,
    case_feeder::CaseFeeder,
    chronicle::Chronicle,
    deployment::Deployment,
    editor::Editor,
    endpoints::Endpoints,
    feeder::Feeder,
    history::History,
    keeper::Keeper,
    known::KnownStates,
    patience::{Patience, RepairedAt},
    random::Random,
    report::Report,
    rival::{Rival, Rivalry},
    sabotage::Sabotage,
    shelf::Shelf,
    worker::Worker,
};

/// The clients that create batches.
const WORKERS: usize = 24;

/// The clients that change tasks, each its own, and those that change the same ones.
const EDITORS: usize = 8;
const RIVALS: usize = 4;

/// The clients that create, change and delete cases, that feed users, and that feed cases.
const KEEPERS: usize = 6;
const FEEDERS: usize = 3;
const CASE_FEEDERS: usize = 2;

/// The number of connections to each endpoint, which the clients share.
const CONNECTIONS: usize = 6;

/// The most batches of a run, which bounds the memory of the history.
const MAX_BATCHES: u32 = 200_000;

/// What is known at the end of a run.
#[derive(Clone)]
pub(crate) struct Knowledge {
    pub(crate) history: Arc<History>,
    pub(crate) chronicle: Arc<Chronicle>,
    pub(crate) rivalry: Arc<Rivalry>,
    pub(crate) cases: Arc<KnownStates>,
    pub(crate) users: Arc<KnownStates>,
}

/// The clients, while they run.
pub(crate) struct Clients {
    running: JoinSet<()>,
    pub(crate) knowledge: Knowledge,
    connections: Vec<Endpoints>,
    report: Arc<Report>,
    repaired_at: RepairedAt,
    seed: u64,
    sabotage: Option<Sabotage>,
}

impl Clients {
    /// Starts all clients, for a run of this duration.
    pub(crate) fn start(
        deployment: &Deployment,
        (seed, sabotage): (u64, Option<Sabotage>),
        duration: Duration,
        report: &Arc<Report>,
    ) -> Self {
        let addresses = [&deployment.proxied, &deployment.proxied, &deployment.direct];
        let connections = (0..CONNECTIONS)
            .map(|number| Endpoints::new(addresses[number % addresses.len()], &deployment.api_keys))
            .collect();
        let knowledge = Knowledge {
            history: Arc::default(),
            chronicle: Arc::default(),
            rivalry: Arc::new(Rivalry::create(&deployment.database)),
            cases: Arc::default(),
            users: Arc::default(),
        };
        let mut clients = Self {
            running: JoinSet::new(),
            knowledge,
            connections,
            report: Arc::clone(report),
            repaired_at: RepairedAt::default(),
            seed,
            sabotage,
        };
        (0..WORKERS).for_each(|number| clients.start_worker(number, duration));
        (0..EDITORS).for_each(|number| clients.start_editor(number));
        (0..RIVALS).for_each(|number| clients.start_rival(number));
        (0..KEEPERS).for_each(|number| clients.start_keeper(number));
        (0..FEEDERS).for_each(|number| clients.start_feeder(number));
        (0..CASE_FEEDERS).for_each(|number| clients.start_case_feeder(number));
        clients
    }

    /// Lets the clients finish what they have begun, now that everything is repaired. Returns what they know.
    pub(crate) async fn finish(self) -> Knowledge {
        self.repaired_at.set(Instant::now()).unwrap();
        self.running.join_all().await;
        self.knowledge
    }

    fn start_worker(&mut self, number: usize, duration: Duration) {
        let Patience { endpoints, report, repaired_at, random } = self.patience(10, number);
        let worker = Worker {
            number,
            endpoints,
            history: Arc::clone(&self.knowledge.history),
            report,
            repaired_at,
            random,
            pause: duration * u32::try_from(WORKERS).unwrap() / MAX_BATCHES,
            new_ids: self.sabotage == Some(Sabotage::NewIds),
            late_writes: self.sabotage == Some(Sabotage::LateWrites),
            acknowledged: VecDeque::new(),
        };
        self.running.spawn(worker.run());
    }

    fn start_editor(&mut self, number: usize) {
        let editor = Editor {
            number,
            patience: self.patience(1000, number),
            chronicle: Arc::clone(&self.knowledge.chronicle),
            repeats_old_changes: self.sabotage == Some(Sabotage::OldChanges),
        };
        self.running.spawn(editor.run());
    }

    fn start_rival(&mut self, number: usize) {
        let Patience { endpoints, report, repaired_at, random } = self.patience(2000, number);
        let rivalry = Arc::clone(&self.knowledge.rivalry);
        self.running.spawn(Rival { rivalry, endpoints, report, repaired_at, random }.run());
    }

    fn start_keeper(&mut self, number: usize) {
        let keeper = Keeper {
            number,
            patience: self.patience(3000, number),
            cases: Arc::clone(&self.knowledge.cases),
            history: Arc::clone(&self.knowledge.history),
            sabotage: self.sabotage,
            shelf: Shelf::of_keeper(number),
        };
        self.running.spawn(keeper.run());
    }

    fn start_feeder(&mut self, number: usize) {
        let tenant = number % TENANTS;
        let assigner = Assigner {
            number,
            tenant,
            patience: self.patience(5000, number),
            history: Arc::clone(&self.knowledge.history),
            cases: Arc::clone(&self.knowledge.cases),
            count: 0,
        };
        let feeder = Feeder {
            number,
            tenant,
            patience: self.patience(4000, number),
            users: Arc::clone(&self.knowledge.users),
            assigner,
            sabotage: self.sabotage,
        };
        self.running.spawn(feeder.run());
    }

    fn start_case_feeder(&mut self, number: usize) {
        let feeder = CaseFeeder {
            number,
            tenant: number % TENANTS,
            patience: self.patience(6000, number),
            cases: Arc::clone(&self.knowledge.cases),
            sabotage: self.sabotage,
        };
        self.running.spawn(feeder.run());
    }

    /// Returns what a client needs, with its own stream of random numbers.
    fn patience(&self, first_stream: u64, number: usize) -> Patience {
        Patience {
            endpoints: self.connections[number % CONNECTIONS].clone(),
            report: Arc::clone(&self.report),
            repaired_at: Arc::clone(&self.repaired_at),
            random: Random::new(self.seed, first_stream + u64::try_from(number).unwrap()),
        }
    }
}
