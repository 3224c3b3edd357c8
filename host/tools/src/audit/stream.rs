//! Line stream with a dedicated writer thread: bounded queue, retries on write errors.

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

use super::FailurePolicy;

/// Capacity in bytes, queued or reserved: guarantees the lines of a thousand calls in flight.
const QUEUE_BYTES: usize = 48 << 20;
/// Memory cost of a queued line beyond its bytes.
const LINE_OVERHEAD: usize = 128;
/// Maximum duration of a write. A longer one is a pipe without a reader: no call begins until it ends.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// Delay before a failed write is retried.
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// Delay before a write to a full pipe is retried.
const FULL_PIPE_DELAY: Duration = Duration::from_millis(20);
/// Minimum interval between log messages about lost audit lines. Both streams may fail together, so the log may be lost
/// too, and is not flooded.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The audit log cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the audit log cannot be written ({0}), and no call is made without its line. The operator must make room for it, or choose audit.onFailure: drop"
)]
pub struct AuditUnavailable(&'static str);

/// Queue capacity reserved for one line.
#[derive(Debug)]
pub struct Reservation(Option<OwnedSemaphorePermit>);

impl Reservation {
    /// No reservation: auditing is off, or the stream is unhealthy and the policy is to drop lines.
    pub(super) fn none() -> Self {
        Self(None)
    }
}

/// Destination of the lines.
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

    /// Writes a part of a line, bypassing std's buffers: the kernel has accepted the bytes when it returns.
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
    Line { text: Vec<u8>, _permit: Option<OwnedSemaphorePermit> },
    Flush(oneshot::Sender<()>),
}

/// Writer status, shared between the writer thread and the callers.
struct Health {
    began: Instant,
    /// Start of the current write in milliseconds after `began`, plus one; 0 if none is in progress.
    writing: AtomicU64,
    /// True if the last write failed and is being retried.
    failing: AtomicBool,
    /// Time of the last log message in milliseconds after `began`, plus one; 0 if there was none.
    last_logged: AtomicU64,
}

impl Health {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn error(&self) -> Option<&'static str> {
        if self.failing.load(Relaxed) {
            return Some("writing fails: is the disk full?");
        }
        let writing = self.writing.load(Relaxed);
        let elapsed = self.now().saturating_sub(writing);
        (writing > 0 && u128::from(elapsed) > WRITE_TIMEOUT.as_millis()).then_some("nothing takes its lines")
    }

    /// True if a log message is due; at most one thread gets it per interval.
    fn is_log_due(&self) -> bool {
        let (now, last_logged) = (self.now(), self.last_logged.load(Relaxed));
        let due = last_logged == 0 || u128::from(now.saturating_sub(last_logged)) > LOG_INTERVAL.as_millis();
        due && self.last_logged.compare_exchange(last_logged, now, Relaxed, Relaxed).is_ok()
    }
}

/// Queue and writer thread, which ends after the queue is dropped.
pub struct Stream {
    queue: mpsc::Sender<Message>,
    capacity: Arc<Semaphore>,
    health: Arc<Health>,
    on_failure: FailurePolicy,
    dropped: Counter,
}

impl Stream {
    pub(super) fn start(sink: Sink, on_failure: FailurePolicy) -> io::Result<Self> {
        let (queue, lines) = mpsc::channel();
        let health = Arc::new(Health {
            began: Instant::now(),
            writing: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            last_logged: AtomicU64::new(0),
        });
        let writers = Arc::clone(&health);
        thread::Builder::new().name("audit".to_owned()).spawn(move || write_all(sink, &lines, &writers))?;
        let capacity = Arc::new(Semaphore::new(QUEUE_BYTES));
        Ok(Self { queue, capacity, health, on_failure, dropped: Counter::default() })
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "audit_dropped",
            "Audit lines that could not be written and were dropped",
            self.dropped.clone(),
        );
    }

    /// Reserves capacity for a line of up to `bytes` bytes.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Reservation, AuditUnavailable> {
        match (self.capacity(bytes), self.on_failure) {
            (Ok(capacity), _) => Ok(Reservation(Some(capacity))),
            (Err(_), FailurePolicy::Drop) => Ok(Reservation::none()),
            (Err(cause), FailurePolicy::Refuse) => {
                if self.health.is_log_due() {
                    tracing::error!("the audit log cannot be written ({cause}); calls are refused meanwhile");
                }
                Err(AuditUnavailable(cause))
            }
        }
    }

    fn capacity(&self, bytes: usize) -> Result<OwnedSemaphorePermit, &'static str> {
        // Checked first: behind a blocked writer, capacity may remain that would not be freed again.
        if let Some(cause) = self.health.error() {
            return Err(cause);
        }
        let bytes = u32::try_from(bytes.saturating_add(LINE_OVERHEAD)).unwrap_or(u32::MAX);
        Arc::clone(&self.capacity).try_acquire_many_owned(bytes).map_err(|_| "its queue is full")
    }

    /// Queues a line, within its reservation or within the free capacity.
    pub(super) fn send(&self, text: Vec<u8>, reservation: Option<Reservation>) {
        let capacity = match reservation.and_then(|reservation| reservation.0) {
            // A line is usually far below the reserved maximum; the split returns the rest to the queue at once.
            Some(mut capacity) => {
                Ok(capacity.split(text.len().saturating_add(LINE_OVERHEAD)).unwrap_or(capacity))
            }
            None => self.capacity(text.len()),
        };
        let sent = capacity.map(|capacity| self.queue.send(Message::Line { text, _permit: Some(capacity) }));
        if !matches!(sent, Ok(Ok(()))) {
            self.dropped.inc();
            if self.health.is_log_due() {
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

/// Writes whole lines in order until the queue is dropped.
fn write_all(mut sink: Sink, lines: &mpsc::Receiver<Message>, health: &Health) {
    while let Ok(message) = lines.recv() {
        match message {
            Message::Line { text, _permit } => write_line(&mut sink, &text, health),
            // The receiver is gone if the flush timed out.
            Message::Flush(done) => drop(done.send(())),
        }
    }
}

/// Writes one line. A partial write resumes where it stopped, so that lines are never interleaved.
fn write_line(sink: &mut Sink, text: &[u8], health: &Health) {
    let mut written = 0;
    health.writing.store(health.now(), Relaxed);
    while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
        match sink.write(rest) {
            Ok(0) => {
                health.failing.store(true, Relaxed);
                thread::sleep(RETRY_DELAY);
            }
            Ok(count) => {
                written = written.saturating_add(count);
                health.failing.store(false, Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Another process that shares the pipe made it non-blocking.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(FULL_PIPE_DELAY),
            Err(error) => {
                health.failing.store(true, Relaxed);
                if health.is_log_due() {
                    tracing::error!("the audit log cannot be written: {error}");
                }
                thread::sleep(RETRY_DELAY);
            }
        }
    }
    health.writing.store(0, Relaxed);
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Test sink that fails as if full, or blocks in its write.
    #[derive(Clone, Default)]
    struct TestSink {
        written: Arc<Mutex<Vec<u8>>>,
        full: Arc<AtomicBool>,
        stuck: Arc<AtomicBool>,
    }

    impl Write for TestSink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            while self.stuck.load(Relaxed) {
                thread::sleep(Duration::from_millis(5));
            }
            if self.full.load(Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            // A partial write, as pipes do.
            let part = &bytes[..bytes.len().min(3)];
            self.written.lock().unwrap().extend_from_slice(part);
            Ok(part.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn stream(on_failure: FailurePolicy) -> (TestSink, Stream) {
        let sink = TestSink::default();
        let stream = Stream::start(Sink::Test(Box::new(sink.clone())), on_failure).unwrap();
        (sink, stream)
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
        let (sink, stream) = stream(FailurePolicy::Refuse);
        let reserved = stream.reserve(100).unwrap();
        let another = stream.reserve(100).unwrap();
        sink.full.store(true, Relaxed);
        stream.send(b"first\n".to_vec(), Some(reserved));
        until("a refusal", || stream.reserve(100).is_err());
        // Its capacity was reserved before the failure: the line is kept.
        stream.send(b"second\n".to_vec(), Some(another));
        sink.full.store(false, Relaxed);
        stream.flush(Duration::from_secs(5)).await;
        assert_eq!(sink.written.lock().unwrap().as_slice(), b"first\nsecond\n");
        assert!(stream.reserve(100).is_ok());
        assert_eq!((stream.dropped.get(), stream.capacity.available_permits()), (0, QUEUE_BYTES));
    }

    #[tokio::test]
    async fn a_pipe_that_nobody_reads_is_noticed_and_nobody_waits_for_it() {
        let (sink, stream) = stream(FailurePolicy::Drop);
        sink.stuck.store(true, Relaxed);
        stream.send(b"first\n".to_vec(), None);
        until("noticed", || stream.health.error().is_some());
        // A wait for the writer would never end: it is stuck until the test lets it go on.
        let reservation = stream.reserve(100).unwrap();
        stream.send(b"lost\n".to_vec(), Some(reservation));
        stream.flush(Duration::from_millis(50)).await;
        assert_eq!(stream.dropped.get(), 1);
        sink.stuck.store(false, Relaxed);
        stream.flush(Duration::from_secs(5)).await;
        assert_eq!(sink.written.lock().unwrap().as_slice(), b"first\n");
    }

    #[test]
    fn the_queue_has_a_bound() {
        let (_, stream) = stream(FailurePolicy::Refuse);
        let held: Vec<Reservation> = std::iter::from_fn(|| stream.reserve(48 << 10).ok()).collect();
        assert!((1000..1100).contains(&held.len()), "{}", held.len());
        assert!(stream.reserve(48 << 10).unwrap_err().to_string().contains("queue is full"));
        drop(held);
        assert!(stream.reserve(48 << 10).is_ok());
    }
}
