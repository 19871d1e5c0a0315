//! A proxy on a network path, which can cut and stall the connections that pass through it, also in
//! the middle of a message.

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
    pin,
    sync::{mpsc, watch},
};

use crate::{report::Report, statements::SentStatements};

/// Accepts connections, and forwards each to one of its upstreams. It accepts them also while no
/// upstream is up.
pub(crate) struct Proxy {
    /// Its two sides, as in `client to server`, for the report.
    pub(crate) name: &'static str,
    upstreams: Vec<Upstream>,
    /// The upstream of the next connection: they take turns, as behind a load balancer.
    next: AtomicUsize,
    /// Each change cuts all connections.
    cuts: watch::Sender<u64>,
    is_stalled: watch::Sender<bool>,
    /// After so many more bytes in this direction, over all connections, one connection is cut.
    pending_cut: Mutex<Option<(Direction, usize)>>,
    report: Arc<Report>,
    /// Takes what clients send, before anything of it is held back.
    sent: Option<SentStatements>,
}

#[derive(Clone, Debug)]
pub(crate) enum Upstream {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client.
    Upstream,
    /// To the client.
    Downstream,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Proxy {
    /// Starts a proxy at a free TCP port, and returns its address.
    pub(crate) async fn tcp(
        name: &'static str,
        upstreams: Vec<Upstream>,
        report: &Arc<Report>,
    ) -> (Arc<Self>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let proxy = Self::new(name, upstreams, report, None);
        let serving = Arc::clone(&proxy);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(Arc::clone(&serving).forward(stream));
            }
        });
        (proxy, addr)
    }

    /// Starts a proxy at a new Unix socket with this path, which notes the statements that pass.
    pub(crate) fn unix(
        name: &'static str,
        path: &Path,
        upstream: PathBuf,
        report: &Arc<Report>,
        sent: &SentStatements,
    ) -> Arc<Self> {
        let listener = UnixListener::bind(path).unwrap();
        let proxy = Self::new(name, vec![Upstream::Unix(upstream)], report, Some(sent.clone()));
        let serving = Arc::clone(&proxy);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).forward(stream));
            }
        });
        proxy
    }

    fn new(
        name: &'static str,
        upstreams: Vec<Upstream>,
        report: &Arc<Report>,
        sent: Option<SentStatements>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            upstreams,
            next: AtomicUsize::new(0),
            cuts: watch::Sender::new(0),
            is_stalled: watch::Sender::new(false),
            pending_cut: Mutex::new(None),
            report: Arc::clone(report),
            sent,
        })
    }

    /// Cuts all open connections.
    pub(crate) fn cut_all(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts one connection after so many more bytes in this direction, counted over all connections.
    pub(crate) fn cut_one_after(&self, direction: Direction, bytes: usize) {
        *self.pending_cut.lock().unwrap() = Some((direction, bytes));
    }

    /// Holds back everything that is sent, in both directions, until [`Self::resume`].
    pub(crate) fn stall(&self) {
        self.is_stalled.send_replace(true);
    }

    pub(crate) fn resume(&self) {
        self.is_stalled.send_replace(false);
    }

    /// Ends all faults: from now on everything passes.
    pub(crate) fn repair(&self) {
        *self.pending_cut.lock().unwrap() = None;
        self.resume();
    }

    async fn forward(self: Arc<Self>, client: impl Stream) {
        let mut cuts = self.cuts.subscribe();
        let forwarded = async {
            let Some(upstream) = self.connect().await else { return };
            let (from_client, to_client) = split(client);
            let (from_upstream, to_upstream) = split(upstream);
            tokio::select! {
                () = self.copy(Direction::Upstream, from_client, to_upstream) => {}
                () = self.copy(Direction::Downstream, from_upstream, to_client) => {}
            }
        };
        tokio::select! {
            () = forwarded => {}
            _ = cuts.changed() => {}
        }
    }

    /// Connects to the next upstream that accepts a connection.
    async fn connect(&self) -> Option<Box<dyn Stream>> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for index in 0..self.upstreams.len() {
            match &self.upstreams[(first + index) % self.upstreams.len()] {
                Upstream::Tcp(addr) => {
                    if let Ok(stream) = TcpStream::connect(addr).await {
                        let _ = stream.set_nodelay(true);
                        return Some(Box::new(stream));
                    }
                }
                Upstream::Unix(path) => {
                    if let Ok(stream) = UnixStream::connect(path).await {
                        return Some(Box::new(stream));
                    }
                }
            }
        }
        None
    }

    /// Forwards what comes from one side to the other. It is read at once, whatever holds it back then,
    /// so that it is known when it was sent.
    async fn copy(
        &self,
        direction: Direction,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Vec<u8>>();
        let is_upstream = direction == Direction::Upstream;
        let mut observer = self.sent.as_ref().filter(|_| is_upstream).map(SentStatements::observer);
        let read = async move {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(count @ 1..) = from.read(&mut buffer).await {
                let bytes = &buffer[..count];
                observer.iter_mut().for_each(|observer| observer.see(bytes));
                if sender.send(bytes.to_vec()).is_err() {
                    return;
                }
            }
        };
        let write = async move {
            while let Some(bytes) = receiver.recv().await {
                if self.is_stalled.subscribe().wait_for(|stalled| !stalled).await.is_err() {
                    return;
                }
                let allowed = self.allowed(direction, bytes.len());
                if to.write_all(&bytes[..allowed]).await.is_err() || allowed < bytes.len() {
                    return;
                }
            }
        };
        pin!(write);
        tokio::select! {
            () = read => write.await,
            () = &mut write => {}
        }
    }

    /// Returns how many of these bytes may pass. If it is not all of them, the connection is cut.
    fn allowed(&self, direction: Direction, count: usize) -> usize {
        let mut pending_cut = self.pending_cut.lock().unwrap();
        match &mut *pending_cut {
            Some((cut, bytes)) if *cut == direction && *bytes < count => {
                let allowed = *bytes;
                *pending_cut = None;
                self.report.fault(format!("{}: a connection cut within a message", self.name));
                allowed
            }
            Some((cut, bytes)) if *cut == direction => {
                *bytes -= count;
                count
            }
            _ => count,
        }
    }
}
