//! Visits of Dify, 20 a second, and sessions that stay open, while something happens to the host or to its cluster.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use http::StatusCode;
use porthole_testbed::{dify::Dify, http::Way};
use serde_json::json;
use tokio::{task::JoinSet, time::timeout};

/// Time between the beginnings of two visits.
const BETWEEN: Duration = Duration::from_millis(50);
/// Maximum number of visits at one time; a host that answers none would make them pile up.
const AT_ONCE: usize = 400;
/// Sessions that stay open.
const SESSIONS: usize = 4;
/// Time between two calls of a session.
const PAUSE: Duration = Duration::from_millis(500);
/// Maximum time of a visit: a call's own limit, 30 s, and a little for the rest.
const LIMIT: Duration = Duration::from_secs(32);
/// Maximum time until a visit is refused.
const REFUSAL: Duration = Duration::from_secs(1);
/// Maximum time until a session is back after the last thing that happened, and until visits end as expected.
const BACK: Duration = Duration::from_secs(180);

/// Refusals of a day that are not the host's, and the time from the first to the last of them. One day in twenty or so the node's
/// port refuses up to three visits within 150 ms while the pod is ready and its sessions go on; the host binds its port
/// once, so it is the way there that has a gap. A host that stops to listen before its Service knows loses more: 8 of 92
/// visits of a rolling update before that was mended.
const STRAYS: (usize, Duration) = (4, Duration::from_millis(250));

pub(crate) type Span = Range<Instant>;

/// Host to visit, as a reader.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) origin: String,
    pub(crate) token: String,
    /// Ways of the visits, in turns.
    pub(crate) ways: Vec<Way>,
}

/// End of a visit or of a session's call.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Answered,
    /// An error that says why.
    Told(String),
    /// A connection did not come about.
    Refused(String),
    /// The connection broke off, or a session ended while it waited for nothing.
    Broken(String),
    /// The stream was one pod's and the request went to another, which does not have the session: the Service stopped to
    /// lead to the first in between, and that one broke the stream off when it ended.
    Parted(String),
    /// Nothing came until the limit, or the stream ended with a request open: Dify would wait for ever.
    Silent(String),
}

impl Outcome {
    fn of(answer: Result<String, String>) -> Self {
        let error = match answer {
            // A namespace of every cluster.
            Ok(text) if text.contains("kube-system") => return Self::Answered,
            Ok(text) => return Self::Told(text),
            Err(error) => error,
        };
        if error.contains("Dify hangs") || error.contains("deadline has elapsed") {
            Self::Silent(error)
        } else if error.contains("client error (Connect)") {
            Self::Refused(error)
        } else if error.starts_with("Failed to connect to MCP server") {
            Self::Told(error)
        } else {
            Self::Broken(error)
        }
    }

    /// End of a request of an open session.
    fn of_request(dify: &Dify, answer: Result<String, String>) -> Self {
        match Self::of(answer) {
            Self::Broken(error) if dify.posted == Some(StatusCode::NOT_FOUND) => Self::Parted(error),
            outcome => outcome,
        }
    }
}

/// A visit, or a call of an open session.
#[derive(Debug, Clone)]
struct Visit {
    begun: Instant,
    took: Duration,
    outcome: Outcome,
}

/// Visits and sessions that go on until they are ended.
pub(crate) struct Visits {
    coming: Arc<Coming>,
    tasks: JoinSet<()>,
}

struct Coming {
    door: Door,
    begun: AtomicUsize,
    open: AtomicUsize,
    ended: AtomicBool,
    visits: Mutex<Vec<Visit>>,
    calls: Mutex<Vec<Visit>>,
    /// Sessions that were open and ended without being asked to.
    broken: AtomicUsize,
}

impl Visits {
    pub(crate) fn begin(door: Door) -> Self {
        let coming = Arc::new(Coming {
            door,
            begun: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            visits: Mutex::default(),
            calls: Mutex::default(),
            broken: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&coming).visit());
        for number in 0..SESSIONS {
            tasks.spawn(Arc::clone(&coming).stay(number));
        }
        Self { coming, tasks }
    }

    /// Waits until this many more visits have been answered.
    pub(crate) async fn answered(&self, more: usize) {
        self.more("answered", more, |outcome| *outcome == Outcome::Answered).await;
    }

    /// Waits until this many more visits have been answered by an error.
    pub(crate) async fn told(&self, more: usize) {
        self.more("answered by an error", more, |outcome| matches!(outcome, Outcome::Told(_))).await;
    }

    /// Waits until this many more visits have been refused.
    pub(crate) async fn refused(&self, more: usize) {
        self.more("refused", more, |outcome| matches!(outcome, Outcome::Refused(_))).await;
    }

    async fn more(&self, how: &str, more: usize, is: fn(&Outcome) -> bool) {
        let count = || {
            let visits = self.coming.visits.lock().unwrap();
            visits.iter().filter(|visit| is(&visit.outcome)).count()
        };
        let before = count();
        crate::until(&format!("visits are {how}"), BACK, async || match count() - before {
            enough if enough >= more => Ok(()),
            few => Err(format!("{few} of {more}; the last {:?}", self.coming.visits.lock().unwrap().last())),
        })
        .await;
    }

    /// Waits for those that are open.
    pub(crate) async fn end(mut self) -> Report {
        self.coming.ended.store(true, Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        Report {
            visits: self.coming.visits.lock().unwrap().clone(),
            calls: self.coming.calls.lock().unwrap().clone(),
            broken: self.coming.broken.load(Relaxed),
        }
    }
}

impl Coming {
    fn way(&self, number: usize) -> &Way {
        &self.door.ways[number % self.door.ways.len()]
    }

    async fn visit(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(BETWEEN);
        let mut visits = JoinSet::new();
        while !self.ended.load(Relaxed) {
            ticks.tick().await;
            let number = self.begun.fetch_add(1, Relaxed);
            let begun = Instant::now();
            if self.open.load(Relaxed) >= AT_ONCE {
                let outcome = Outcome::Silent(format!("{AT_ONCE} visits are open"));
                self.visits.lock().unwrap().push(Visit { begun, took: Duration::ZERO, outcome });
                continue;
            }
            self.open.fetch_add(1, Relaxed);
            let coming = Arc::clone(&self);
            visits.spawn(async move {
                let outcome = timeout(LIMIT, coming.call(&mut None, number)).await;
                let outcome = outcome.unwrap_or_else(|_| Outcome::Silent(format!("nothing in {LIMIT:?}")));
                coming.visits.lock().unwrap().push(Visit { begun, took: begun.elapsed(), outcome });
                coming.open.fetch_sub(1, Relaxed);
            });
        }
        while let Some(ended) = visits.join_next().await {
            ended.unwrap();
        }
    }

    /// Keeps a session open, and opens it again when it breaks; ends with a call that was answered.
    async fn stay(self: Arc<Self>, number: usize) {
        let mut session = None;
        let mut ended = None;
        loop {
            let (was_open, begun) = (session.is_some(), Instant::now());
            // Dify accepts the end of a session that waits for nothing.
            let outcome = if session.as_ref().is_some_and(Dify::has_ended) {
                Outcome::Broken("the stream ended between two calls".into())
            } else {
                let outcome = timeout(LIMIT, self.call(&mut session, number)).await;
                outcome.unwrap_or_else(|_| Outcome::Silent(format!("nothing in {LIMIT:?}")))
            };
            let is_whole = matches!(outcome, Outcome::Answered | Outcome::Told(_));
            if !is_whole {
                session = None;
                self.broken.fetch_add(usize::from(was_open), Relaxed);
            }
            self.calls.lock().unwrap().push(Visit { begun, took: begun.elapsed(), outcome });
            if self.ended.load(Relaxed) {
                let since = *ended.get_or_insert(begun);
                if is_whole && begun >= since {
                    return;
                }
                assert!(since.elapsed() < BACK, "a session does not come back");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A call of a session, which is opened before if it is not.
    async fn call(&self, session: &mut Option<Dify>, number: usize) -> Outcome {
        let Door { origin, token, .. } = &self.door;
        let is_new = session.is_none();
        if is_new {
            match Dify::connect_by(self.way(number).client(), origin, Some(token)).await {
                Ok(dify) => *session = Some(dify),
                Err(error) => return Outcome::of(Err(format!("{error:#}"))),
            }
        }
        let Some(dify) = session else { return Outcome::Silent("no session".into()) };
        if is_new && let Err(error) = dify.initialize("2025-03-26").await {
            let outcome = Outcome::of_request(dify, Err(format!("{error:#}")));
            *session = None;
            return outcome;
        }
        let answer = dify.call("namespaces_list", json!({})).await;
        Outcome::of_request(dify, answer.map_err(|error| format!("{error:#}")))
    }
}

/// Outcomes that visits may have, beside their answers.
#[derive(Default)]
pub(crate) struct Allowed {
    /// Spans in which the Service leads to no pod that lives: visits are refused.
    pub(crate) closed: Vec<Span>,
    /// Spans in which a pod is killed: what is in flight on it may break off.
    pub(crate) killed: Vec<Span>,
    /// Spans in which a pod ends: a session that stays open ends with it, and a visit may part.
    pub(crate) ending: Vec<Span>,
    /// Spans in which a call is answered by an error, with one of these in its text.
    pub(crate) told: Vec<(Span, &'static [&'static str])>,
}

impl Allowed {
    /// None if it may happen, else what was lost, and the time since the first visit.
    fn lost(&self, visit: &Visit, is_session: bool, first: Instant) -> Option<String> {
        let ended = visit.begun + visit.took;
        let within = |spans: &[Span]| spans.iter().any(|span| visit.begun < span.end && ended >= span.start);
        let may_be = match &visit.outcome {
            Outcome::Answered => true,
            Outcome::Told(text) => self.told.iter().any(|(span, texts)| {
                within(std::slice::from_ref(span)) && texts.iter().any(|known| text.contains(known))
            }),
            Outcome::Refused(_) => within(&self.closed) && visit.took < REFUSAL,
            Outcome::Broken(_) => within(&self.killed) || (is_session && within(&self.ending)),
            Outcome::Parted(_) => within(&self.ending) || within(&self.killed),
            Outcome::Silent(_) => false,
        };
        let since = visit.begun.saturating_duration_since(first).as_millis();
        let took = visit.took.as_millis();
        (!may_be)
            .then(|| format!("{:?} after {took} ms, begun {since} ms after the first visit", visit.outcome))
    }
}

/// True if a visit was refused at once.
fn is_refusal(visit: &&Visit) -> bool {
    matches!(visit.outcome, Outcome::Refused(_)) && visit.took < REFUSAL
}

/// Number of refusals among what was lost, if they are so few and close that they are not the host's.
fn strays(lost: &[(Visit, String)]) -> usize {
    let refused = || lost.iter().map(|(visit, _)| visit).filter(is_refusal);
    let times = || refused().map(|visit| visit.begun);
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return 0 };
    let (most, long) = STRAYS;
    if refused().count() <= most && last - first <= long { refused().count() } else { 0 }
}

/// Visits of a day.
pub(crate) struct Report {
    visits: Vec<Visit>,
    calls: Vec<Visit>,
    broken: usize,
}

impl Report {
    /// Prints the figures; fails if anything was lost.
    #[expect(clippy::print_stderr, reason = "figures of the suite")]
    pub(crate) fn judge(&self, day: &str, allowed: &Allowed) {
        let of = |visits: &[Visit], is: fn(&Outcome) -> bool| -> (usize, u128) {
            let fitting = visits.iter().filter(|visit| is(&visit.outcome)).map(|visit| visit.took);
            (fitting.clone().count(), fitting.max().unwrap_or_default().as_millis())
        };
        let first = self.visits.iter().map(|visit| visit.begun).min().unwrap_or_else(Instant::now);
        let lost = |visits: &[Visit], is_session: bool| {
            let lost = visits
                .iter()
                .filter_map(|visit| Some((visit.clone(), allowed.lost(visit, is_session, first)?)));
            lost.collect::<Vec<_>>()
        };
        let mut lost = [lost(&self.visits, false), lost(&self.calls, true)].concat();
        let strays = strays(&lost);
        if strays > 0 {
            lost.retain(|(visit, _)| !is_refusal(&visit));
        }
        let lost: Vec<String> = lost.into_iter().map(|(_, text)| text).collect();
        let answered = of(&self.visits, |outcome| *outcome == Outcome::Answered);
        let told = of(&self.visits, |outcome| matches!(outcome, Outcome::Told(_)));
        let refused = of(&self.visits, |outcome| matches!(outcome, Outcome::Refused(_)));
        let broken = of(&self.visits, |outcome| matches!(outcome, Outcome::Broken(_)));
        let parted = of(&self.visits, |outcome| matches!(outcome, Outcome::Parted(_)));
        let calls = of(&self.calls, |outcome| *outcome == Outcome::Answered);
        eprintln!(
            "day: {day}: {} visits, {} lost, {strays} strays, {} refused (worst {} ms), {} broken off, {} parted (worst {} ms), {} errors (worst {} ms), worst answer {} ms; \
             {SESSIONS} sessions: {} calls answered (worst {} ms), {} broken",
            self.visits.len(),
            lost.len(),
            refused.0,
            refused.1,
            broken.0,
            parted.0,
            parted.1,
            told.0,
            told.1,
            answered.1,
            calls.0,
            calls.1,
            self.broken,
        );
        assert!(self.visits.len() > 100, "{} visits", self.visits.len());
        assert_eq!(lost, Vec::<String>::new(), "{day}");
    }

    /// Start of the last visit or call that was answered: how long the answer takes is the machine's.
    pub(crate) fn last_answered_start(&self) -> Instant {
        let all = self.visits.iter().chain(&self.calls);
        let answered = all.filter(|visit| visit.outcome == Outcome::Answered);
        answered.map(|visit| visit.begun).max().unwrap()
    }

    /// Sessions that broke.
    pub(crate) fn broken(&self) -> usize {
        self.broken
    }
}
