//! The actors that inject faults and repair them. They run side by side. Each draws from a stream of
//! the seed that is its own, so its faults and their order are the same in each run with that seed.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use localdb::Cluster;

use crate::{
    program::Program,
    proxy::{Direction, Proxy},
    random::Random,
    report::Report,
};

/// What an actor needs, whatever its targets are.
pub(crate) struct Actor {
    pub(crate) random: Random,
    /// When the actor stops injecting faults.
    pub(crate) end: Instant,
    pub(crate) report: Arc<Report>,
}

/// What is done to a process.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// SIGKILL; repaired by a start.
    Kill,
    /// An orderly stop; repaired by a start.
    Stop,
    /// SIGSTOP; repaired by SIGCONT.
    Freeze,
}

const FAULTS: [Fault; 3] = [Fault::Kill, Fault::Stop, Fault::Freeze];

impl Actor {
    /// Blocks until the next fault is due. Returns false if the run ends before.
    pub(crate) fn wait_for_next(&mut self, min_millis: u64, max_millis: u64) -> bool {
        let until = Instant::now() + self.random.millis(min_millis, max_millis);
        thread::sleep(until.min(self.end).saturating_duration_since(Instant::now()));
        until < self.end
    }

    fn report(&self, target: &str, fault: Fault) {
        let fault = match fault {
            Fault::Kill => "killed",
            Fault::Stop => "stopped",
            Fault::Freeze => "frozen",
        };
        self.report.fault(format!("{target} {fault}"));
    }

    fn downtime(&mut self, max_millis: u64) -> Duration {
        if self.random.one_in(3) { Duration::ZERO } else { self.random.millis(50, max_millis) }
    }

    /// Injects faults into Postgres; if `only_kills` is set, only the one that loses commits that
    /// are not durable.
    pub(crate) fn disrupt_postgres(mut self, mut cluster: Cluster, only_kills: bool) -> Cluster {
        while self.wait_for_next(1000, 3000) {
            let fault = if only_kills { Fault::Kill } else { self.random.pick(&FAULTS) };
            let downtime = match fault {
                // Long enough for the servers to replace their connections, which fails too.
                Fault::Freeze if self.random.one_in(4) => self.random.millis(4000, 6000),
                Fault::Kill | Fault::Stop | Fault::Freeze => self.downtime(1500),
            };
            self.report("Postgres", fault);
            match fault {
                Fault::Kill => cluster.kill().unwrap(),
                Fault::Stop => cluster.stop().unwrap(),
                Fault::Freeze => cluster.pause().unwrap(),
            }
            thread::sleep(downtime);
            match fault {
                Fault::Kill | Fault::Stop => cluster.start().unwrap(),
                Fault::Freeze => cluster.resume().unwrap(),
            }
        }
        cluster
    }

    /// Injects faults into servers and gateways, one or two at a time.
    pub(crate) fn disrupt_programs(mut self, mut programs: Vec<Program>) -> Vec<Program> {
        while self.wait_for_next(300, 1500) {
            let first = self.random.below(programs.len());
            let second = (first + 1 + self.random.below(programs.len() - 1)) % programs.len();
            let fault = self.random.pick(&FAULTS);
            let targets = if self.random.one_in(4) { vec![first, second] } else { vec![first] };
            let downtime = self.downtime(3000);
            for &index in &targets {
                let program = &mut programs[index];
                self.report(&program.name, fault);
                match fault {
                    Fault::Kill => program.kill(),
                    Fault::Stop => program.stop(),
                    Fault::Freeze => program.freeze(),
                }
            }
            thread::sleep(downtime);
            for index in targets {
                match fault {
                    Fault::Kill | Fault::Stop => programs[index].restart(),
                    Fault::Freeze => programs[index].resume(),
                }
            }
        }
        programs
    }

    /// Cuts and stalls the connections that pass through proxies.
    pub(crate) fn disrupt_connections(mut self, proxies: &[Arc<Proxy>]) {
        while self.wait_for_next(50, 300) {
            let proxy = &proxies[self.random.below(proxies.len())];
            let direction = self.random.pick(&[Direction::Upstream, Direction::Downstream]);
            let bytes = self.random.below(1500);
            let pause = self.random.millis(100, 2500);
            match self.random.below(10) {
                0..=6 => proxy.cut_one_after(direction, bytes),
                7 | 8 => {
                    self.report.fault(format!("{}: all connections cut", proxy.name));
                    proxy.cut_all();
                }
                _ => {
                    self.report.fault(format!("{}: all connections stalled", proxy.name));
                    proxy.stall();
                    thread::sleep(pause);
                    proxy.resume();
                }
            }
        }
        proxies.iter().for_each(|proxy| proxy.repair());
    }
}
