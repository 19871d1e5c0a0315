//! A connection's way through this process, where it can be cut, in the middle of a message too.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::watch,
};

use crate::report::Tally;

/// Stands before one or more places, and takes all that connect there.
pub(crate) struct Link {
    pub(crate) name: &'static str,
    places: Vec<Place>,
    /// Which place is next, as a balancer would have it.
    next: AtomicUsize,
    /// Each change cuts all connections.
    cuts: watch::Sender<u64>,
    is_stalled: watch::Sender<bool>,
    /// The next message this way is cut after so many bytes.
    armed: Mutex<Option<(Way, usize)>>,
    tally: Arc<Tally>,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the caller.
    There,
    /// To the caller.
    Back,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Link {
    /// A link that listens at a port of its own.
    pub(crate) async fn tcp(
        name: &'static str,
        places: Vec<Place>,
        tally: &Arc<Tally>,
    ) -> (Arc<Self>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let link = Self::new(name, places, tally);
        let serving = Arc::clone(&link);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(Arc::clone(&serving).carry(stream));
            }
        });
        (link, addr)
    }

    /// A link that listens at a socket with this name.
    pub(crate) fn unix(
        name: &'static str,
        path: &Path,
        place: PathBuf,
        tally: &Arc<Tally>,
    ) -> Arc<Self> {
        let listener = UnixListener::bind(path).unwrap();
        let link = Self::new(name, vec![Place::Unix(place)], tally);
        let serving = Arc::clone(&link);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).carry(stream));
            }
        });
        link
    }

    fn new(name: &'static str, places: Vec<Place>, tally: &Arc<Tally>) -> Arc<Self> {
        Arc::new(Self {
            name,
            places,
            next: AtomicUsize::new(0),
            cuts: watch::Sender::new(0),
            is_stalled: watch::Sender::new(false),
            armed: Mutex::new(None),
            tally: Arc::clone(tally),
        })
    }

    /// Cuts all connections that there are.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts one connection once so many more bytes have passed.
    pub(crate) fn cut_after(&self, way: Way, bytes: usize) {
        *self.armed.lock().unwrap() = Some((way, bytes));
    }

    /// Holds back all that is sent, both ways.
    pub(crate) fn stall(&self) {
        self.is_stalled.send_replace(true);
    }

    pub(crate) fn flow(&self) {
        self.is_stalled.send_replace(false);
    }

    /// Lets all pass from now on.
    pub(crate) fn heal(&self) {
        *self.armed.lock().unwrap() = None;
        self.flow();
    }

    async fn carry(self: Arc<Self>, caller: impl Stream) {
        let mut cuts = self.cuts.subscribe();
        let carried = async {
            let Some(place) = self.connect().await else { return };
            let (from_caller, to_caller) = split(caller);
            let (from_place, to_place) = split(place);
            tokio::select! {
                () = self.pump(Way::There, from_caller, to_place) => {}
                () = self.pump(Way::Back, from_place, to_caller) => {}
            }
        };
        tokio::select! {
            () = carried => {}
            _ = cuts.changed() => {}
        }
    }

    /// A connection to the next place that takes one.
    async fn connect(&self) -> Option<Box<dyn Stream>> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for index in 0..self.places.len() {
            match &self.places[(first + index) % self.places.len()] {
                Place::Tcp(addr) => {
                    if let Ok(stream) = TcpStream::connect(addr).await {
                        let _ = stream.set_nodelay(true);
                        return Some(Box::new(stream));
                    }
                }
                Place::Unix(path) => {
                    if let Ok(stream) = UnixStream::connect(path).await {
                        return Some(Box::new(stream));
                    }
                }
            }
        }
        None
    }

    async fn pump(
        &self,
        way: Way,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
            if self.is_stalled.subscribe().wait_for(|stalled| !stalled).await.is_err() {
                return;
            }
            let passing = self.passing(way, count);
            if to.write_all(&buffer[..passing]).await.is_err() || passing < count {
                return;
            }
        }
    }

    /// How many of these bytes may pass. Behind less than all of them, the connection is cut.
    fn passing(&self, way: Way, count: usize) -> usize {
        let mut armed = self.armed.lock().unwrap();
        match &mut *armed {
            Some((at, bytes)) if *at == way && *bytes < count => {
                let passing = *bytes;
                *armed = None;
                self.tally.fault(format!("{} cut in a message", self.name));
                passing
            }
            Some((at, bytes)) if *at == way => {
                *bytes -= count;
                count
            }
            _ => count,
        }
    }
}
