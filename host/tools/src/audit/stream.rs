//! A stream of lines with a thread of its own: a bounded queue, and a writer that tries again.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use prometheus_client::{metrics::counter::Counter, registry::Registry};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::OnFailure;

/// Bytes that lines may fill, queued or reserved: a thousand calls in flight have their lines for certain.
const QUEUE: usize = 48 << 20;
/// What a queued line costs beside its bytes.
const OVERHEAD: usize = 128;
/// A write that takes longer is a pipe that nobody reads: no call begins behind it.
const STUCK: Duration = Duration::from_secs(2);
/// Until a write that failed is tried again, and until a pipe that is full is.
const AGAIN: Duration = Duration::from_millis(500);
const FULL: Duration = Duration::from_millis(20);
/// How often the log says that audit lines are lost or cannot be written. It is the stream that fails, so the log may
/// be no better.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// The audit log cannot be written now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the audit log cannot be written ({0}), and no call is made without its line. The operator must make room for it, or choose audit.onFailure: drop"
)]
pub struct AuditUnavailable(&'static str);

/// Room in the queue for one line.
#[derive(Debug)]
pub struct Reservation(Option<OwnedSemaphorePermit>);

impl Reservation {
    /// None is needed, or none is to be had.
    pub(super) fn none() -> Self {
        Self(None)
    }
}

/// Where lines are written.
pub(super) enum Sink {
    Stdout,
    Stderr,
    File(File),
    #[cfg(test)]
    Test(Box<dyn Write + Send>),
}

impl Sink {
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        Ok(Self::File(OpenOptions::new().create(true).append(true).mode(0o600).open(path)?))
    }

    /// Writes a part of a line, past the buffers of std: what it returned is with the kernel.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout => Ok(rustix::io::write(io::stdout(), bytes)?),
            Self::Stderr => Ok(rustix::io::write(io::stderr(), bytes)?),
            Self::File(file) => file.write(bytes),
            #[cfg(test)]
            Self::Test(sink) => sink.write(bytes),
        }
    }
}

enum Message {
    Line { text: Vec<u8>, _room: Option<OwnedSemaphorePermit> },
    Flush(oneshot::Sender<()>),
}

/// What the writer and those who queue know of each other.
struct Health {
    began: Instant,
    /// Milliseconds after `began` when the write under way began, plus one; 0 when there is none.
    writing: AtomicU64,
    /// The last write failed, and is being tried again.
    failing: AtomicBool,
    /// Milliseconds after `began` when the log last said so, plus one.
    said: AtomicU64,
}

impl Health {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn unwell(&self) -> Option<&'static str> {
        if self.failing.load(Relaxed) {
            return Some("writing fails: is the disk full?");
        }
        let writing = self.writing.load(Relaxed);
        let taking = self.now().saturating_sub(writing);
        (writing > 0 && u128::from(taking) > STUCK.as_millis()).then_some("nothing takes its lines")
    }

    /// Whether the log is due to say something.
    fn says(&self) -> bool {
        let (now, said) = (self.now(), self.said.load(Relaxed));
        let due = said == 0 || u128::from(now.saturating_sub(said)) > SAID_EVERY.as_millis();
        due && self.said.compare_exchange(said, now, Relaxed, Relaxed).is_ok()
    }
}

/// A queue of lines and its writer's thread, which ends with it.
pub struct Stream {
    queue: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    health: Arc<Health>,
    on_failure: OnFailure,
    dropped: Counter,
}

impl Stream {
    pub(super) fn start(sink: Sink, on_failure: OnFailure) -> io::Result<Self> {
        let (queue, lines) = mpsc::channel();
        let health = Arc::new(Health {
            began: Instant::now(),
            writing: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            said: AtomicU64::new(0),
        });
        let writers = Arc::clone(&health);
        thread::Builder::new().name("audit".to_owned()).spawn(move || write_all(sink, &lines, &writers))?;
        let room = Arc::new(Semaphore::new(QUEUE));
        Ok(Self { queue, room, health, on_failure, dropped: Counter::default() })
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "audit_dropped",
            "Audit lines that could not be written and were dropped",
            self.dropped.clone(),
        );
    }

    /// Room for a line of at most so many bytes.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Reservation, AuditUnavailable> {
        match (self.room(bytes), self.on_failure) {
            (Ok(room), _) => Ok(Reservation(Some(room))),
            (Err(_), OnFailure::Drop) => Ok(Reservation::none()),
            (Err(cause), OnFailure::Refuse) => {
                if self.health.says() {
                    tracing::error!("the audit log cannot be written ({cause}); calls are refused meanwhile");
                }
                Err(AuditUnavailable(cause))
            }
        }
    }

    fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, &'static str> {
        if let Some(cause) = self.health.unwell() {
            return Err(cause);
        }
        let bytes = u32::try_from(bytes.saturating_add(OVERHEAD)).unwrap_or(u32::MAX);
        Arc::clone(&self.room).try_acquire_many_owned(bytes).map_err(|_| "its queue is full")
    }

    /// Queues a line, in its reserved room or in what there is.
    pub(super) fn send(&self, text: Vec<u8>, reservation: Option<Reservation>) {
        let room = match reservation.and_then(|reservation| reservation.0) {
            Some(mut room) => Ok(room.split(text.len().saturating_add(OVERHEAD)).unwrap_or(room)),
            None => self.room(text.len()),
        };
        let sent = room.map(|room| self.queue.send(Message::Line { text, _room: Some(room) }));
        if !matches!(sent, Ok(Ok(()))) {
            self.dropped.inc();
            if self.health.says() {
                let cause = sent.err().unwrap_or("its writer has ended");
                tracing::error!("audit lines are dropped ({cause}), {} so far", self.dropped.get());
            }
        }
    }

    /// Waits until everything queued so far is written.
    pub(super) async fn flush(&self, at_most: Duration) {
        let (done, written) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).is_ok()
            && tokio::time::timeout(at_most, written).await.is_err()
        {
            tracing::error!("the last audit lines are not written: nothing takes them");
        }
    }
}

/// Writes lines as they come, each whole, until the queue's other end is gone.
fn write_all(mut sink: Sink, lines: &mpsc::Receiver<Message>, health: &Health) {
    while let Ok(message) = lines.recv() {
        match message {
            Message::Line { text, _room } => write_line(&mut sink, &text, health),
            // Who asked may have stopped waiting.
            Message::Flush(done) => drop(done.send(())),
        }
    }
}

/// Writes one line. What failed in its middle goes on from there, so that no line stands in another.
fn write_line(sink: &mut Sink, text: &[u8], health: &Health) {
    let mut written = 0;
    health.writing.store(health.now(), Relaxed);
    while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
        match sink.write(rest) {
            Ok(0) => {
                health.failing.store(true, Relaxed);
                thread::sleep(AGAIN);
            }
            Ok(count) => {
                written = written.saturating_add(count);
                health.failing.store(false, Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A pipe that somebody else has made non-blocking.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(FULL),
            Err(error) => {
                health.failing.store(true, Relaxed);
                if health.says() {
                    tracing::error!("the audit log cannot be written: {error}");
                }
                thread::sleep(AGAIN);
            }
        }
    }
    health.writing.store(0, Relaxed);
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A sink that can be shut: full, or stuck in its write.
    #[derive(Clone, Default)]
    struct Valve {
        written: Arc<Mutex<Vec<u8>>>,
        full: Arc<AtomicBool>,
        stuck: Arc<AtomicBool>,
    }

    impl Write for Valve {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            while self.stuck.load(Relaxed) {
                thread::sleep(Duration::from_millis(5));
            }
            if self.full.load(Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            // A part, as pipes do.
            let part = &bytes[..bytes.len().min(3)];
            self.written.lock().unwrap().extend_from_slice(part);
            Ok(part.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn stream(on_failure: OnFailure) -> (Valve, Stream) {
        let valve = Valve::default();
        let stream = Stream::start(Sink::Test(Box::new(valve.clone())), on_failure).unwrap();
        (valve, stream)
    }

    fn until(what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < Duration::from_secs(10), "{what}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[tokio::test]
    async fn a_full_disk_refuses_calls_and_loses_no_line() {
        let (valve, stream) = stream(OnFailure::Refuse);
        let reserved = stream.reserve(100).unwrap();
        let another = stream.reserve(100).unwrap();
        valve.full.store(true, Relaxed);
        stream.send(b"first\n".to_vec(), Some(reserved));
        until("a refusal", || stream.reserve(100).is_err());
        // It began before: its line is kept.
        stream.send(b"second\n".to_vec(), Some(another));
        valve.full.store(false, Relaxed);
        stream.flush(Duration::from_secs(5)).await;
        assert_eq!(valve.written.lock().unwrap().as_slice(), b"first\nsecond\n");
        assert!(stream.reserve(100).is_ok());
        assert_eq!((stream.dropped.get(), stream.room.available_permits()), (0, QUEUE));
    }

    #[tokio::test]
    async fn a_pipe_that_nobody_reads_is_noticed_and_nobody_waits_for_it() {
        let (valve, stream) = stream(OnFailure::Drop);
        valve.stuck.store(true, Relaxed);
        stream.send(b"first\n".to_vec(), None);
        until("noticed", || stream.health.unwell().is_some());
        let began = Instant::now();
        let reservation = stream.reserve(100).unwrap();
        stream.send(b"lost\n".to_vec(), Some(reservation));
        stream.flush(Duration::from_millis(50)).await;
        assert!(began.elapsed() < Duration::from_secs(1));
        assert_eq!(stream.dropped.get(), 1);
        valve.stuck.store(false, Relaxed);
        stream.flush(Duration::from_secs(5)).await;
        assert_eq!(valve.written.lock().unwrap().as_slice(), b"first\n");
    }

    #[test]
    fn the_queue_has_a_bound() {
        let (_, stream) = stream(OnFailure::Refuse);
        let held: Vec<Reservation> = std::iter::from_fn(|| stream.reserve(48 << 10).ok()).collect();
        assert!((1000..1100).contains(&held.len()), "{}", held.len());
        assert!(stream.reserve(48 << 10).unwrap_err().to_string().contains("queue is full"));
        drop(held);
        assert!(stream.reserve(48 << 10).is_ok());
    }
}
