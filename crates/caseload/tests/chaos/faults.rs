//! The hands that break things and mend them again. Each draws from the seed alone, so what it does
//! and in which order is the same in each run; they run side by side.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use localdb::Cluster;

use crate::{
    program::Program,
    proxy::{Link, Way},
    random::Random,
    report::Tally,
};

/// A hand's own randomness, and until when it goes on.
pub(crate) struct Hand {
    pub(crate) random: Random,
    pub(crate) end: Instant,
    pub(crate) tally: Arc<Tally>,
}

#[derive(Clone, Copy, Debug)]
enum Blow {
    Kill,
    Stop,
    Freeze,
}

const BLOWS: [Blow; 3] = [Blow::Kill, Blow::Stop, Blow::Freeze];

impl Hand {
    /// Waits for the next fault. Tells whether there is to be one.
    fn waits(&mut self, least: u64, most: u64) -> bool {
        let until = Instant::now() + self.random.millis(least, most);
        thread::sleep(until.min(self.end).saturating_duration_since(Instant::now()));
        until < self.end
    }

    fn fault(&self, whom: &str, blow: Blow) {
        let how = match blow {
            Blow::Kill => "killed",
            Blow::Stop => "stopped",
            Blow::Freeze => "frozen",
        };
        self.tally.fault(format!("{whom} {how}"));
    }

    fn downtime(&mut self, most: u64) -> Duration {
        if self.random.one_in(3) { Duration::ZERO } else { self.random.millis(50, most) }
    }

    /// Strikes at Postgres; where told so, with the one blow that loses what isn't durable.
    pub(crate) fn at_postgres(mut self, mut cluster: Cluster, only_kills: bool) -> Cluster {
        while self.waits(1000, 3000) {
            let blow = if only_kills { Blow::Kill } else { self.random.pick(&BLOWS) };
            let downtime = match blow {
                // So long that the servers try for others, of which there are none.
                Blow::Freeze if self.random.one_in(4) => self.random.millis(4000, 6000),
                Blow::Kill | Blow::Stop | Blow::Freeze => self.downtime(1500),
            };
            self.fault("Postgres", blow);
            match blow {
                Blow::Kill => cluster.kill().unwrap(),
                Blow::Stop => cluster.stop().unwrap(),
                Blow::Freeze => cluster.pause().unwrap(),
            }
            thread::sleep(downtime);
            match blow {
                Blow::Kill | Blow::Stop => cluster.start().unwrap(),
                Blow::Freeze => cluster.resume().unwrap(),
            }
        }
        cluster
    }

    /// Strikes at servers and gateways, one or two at a time.
    pub(crate) fn at_programs(mut self, mut programs: Vec<Program>) -> Vec<Program> {
        while self.waits(300, 1500) {
            let first = self.random.below(programs.len());
            let second = (first + 1 + self.random.below(programs.len() - 1)) % programs.len();
            let blow = self.random.pick(&BLOWS);
            let struck = if self.random.one_in(4) { vec![first, second] } else { vec![first] };
            let downtime = self.downtime(3000);
            for &index in &struck {
                let program = &mut programs[index];
                self.fault(&program.name, blow);
                match blow {
                    Blow::Kill => program.kill(),
                    Blow::Stop => program.stop(),
                    Blow::Freeze => program.freeze(),
                }
            }
            thread::sleep(downtime);
            for index in struck {
                match blow {
                    Blow::Kill | Blow::Stop => programs[index].restart(),
                    Blow::Freeze => programs[index].resume(),
                }
            }
        }
        programs
    }

    /// Cuts and stalls connections.
    pub(crate) fn at_links(mut self, links: &[Arc<Link>]) {
        while self.waits(50, 300) {
            let link = &links[self.random.below(links.len())];
            let way = self.random.pick(&[Way::There, Way::Back]);
            let bytes = self.random.below(1500);
            let pause = self.random.millis(100, 2500);
            match self.random.below(10) {
                0..=6 => link.cut_after(way, bytes),
                7 | 8 => {
                    self.tally.fault(format!("{} cut", link.name));
                    link.cut();
                }
                _ => {
                    self.tally.fault(format!("{} stalled", link.name));
                    link.stall();
                    thread::sleep(pause);
                    link.flow();
                }
            }
        }
        links.iter().for_each(|link| link.heal());
    }
}
