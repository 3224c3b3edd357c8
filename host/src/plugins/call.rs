//! One call: its tool found, its arguments checked, run within limits, judged, and told in the audit line.

use std::{sync::Arc, time::Instant};

use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::{
    Plugins, Tool,
    figures::{Figures, Recent},
    tool::size,
    writers,
};
use crate::{
    account::Account,
    guard::{Audit, AuditLine, Ledger, ReadLog, Reading, ReadingLimits, Redactor, Reservation, Tally},
    identity::{Caller, Owner},
    limits::TO_FINISH,
    sandbox::{CallContext, Finished, Note, Outcome, Stopped},
};

/// One answer may fill this part of a component's memory; parsing it there takes a few times its size.
const ANSWER_PART: u64 = 8;

/// What a client asks for.
pub(crate) struct Call {
    pub(crate) tool: String,
    pub(crate) arguments: Map<String, Value>,
    /// What the client calls itself, for the audit line.
    pub(crate) client: Option<String>,
    /// Where goes what the tool says meanwhile, if the client wants to know.
    pub(crate) notes: Option<mpsc::Sender<Note>>,
}

/// An answer to a call. Everything but an outcome is text for the model.
#[derive(Debug)]
pub(crate) enum Answer {
    Outcome(Outcome),
    Error(String),
    /// The tool said more than its limit: an error, and what there is room for.
    Overlong {
        error: String,
        text: String,
    },
}

/// A call's answer, what it took, and what the caller's token turned out to be worth.
pub(crate) struct Answered {
    pub(crate) answer: Answer,
    /// The API server refused the token itself.
    pub(crate) token_refused: bool,
    pub(crate) spent: Spent,
}

/// What a call took.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    pub(crate) tally: Tally,
    /// Time inside the component.
    pub(crate) cpu: std::time::Duration,
    /// The most memory of the component, in bytes.
    pub(crate) memory: usize,
}

impl Plugins {
    /// Calls a tool as `caller`. Dropping the future stops the component and its reads.
    pub(crate) async fn call(&self, call: Call, caller: &Caller) -> Answered {
        let Call { tool: name, arguments, client, notes } = call;
        let redactor = Redactor::new(&caller.credential);
        let mut telling = Telling {
            audit: &self.audit,
            reservation: None,
            figures: &self.figures,
            caller: &caller.owner.username,
            client: client.map(|client| redactor.text(&client)),
            name: redactor.text(&name),
            arguments: redactor.arguments(&arguments),
            redactor,
            tool: None,
            ledger: None,
            began: Instant::now(),
            told: false,
        };
        // A tool that is served already does not wait for those that are still compiled.
        let mut snapshot = self.now();
        if !snapshot.tools.contains_key(&name) {
            snapshot = self.snapshot().await;
        }
        let Some(tool) = snapshot.tools.get(&name).cloned() else {
            return telling.refused("unknown", writers::unknown_tool(&name, &snapshot));
        };
        telling.tool = Some(Arc::clone(&tool));
        let arguments = match tool.parameters.coerce(arguments) {
            Ok(arguments) => arguments,
            Err(mistake) => return telling.refused("arguments", format!("{name}: {mistake}")),
        };
        let slot = match self.in_flight.enter(&caller.owner).await {
            Ok(slot) => slot,
            Err(busy) => return telling.refused("busy", format!("{name}: {busy}")),
        };
        // Before it begins: a call that ran has its line, whatever the audit's sink does meanwhile.
        telling.reservation = match self.audit.reserve() {
            Ok(reservation) => Some(reservation),
            Err(unavailable) => return telling.refused("audit", format!("{name}: {unavailable}")),
        };
        // Held until the component has ended, which is later than the client's leaving.
        let permit = (slot, self.figures.instance());
        telling.began = Instant::now();
        let limits = &tool.limits;
        let account = Account::of(&*caller.owner);
        let memory = Arc::new(self.loader.engine.memory.share(account));
        let reading_time = limits.timeout.saturating_sub(TO_FINISH).max(limits.timeout / 2);
        let now = tokio::time::Instant::now();
        let reading = Reading::new(
            Arc::clone(&self.cluster),
            caller.credential.clone(),
            Arc::clone(&tool.grant),
            Arc::clone(&self.loader.config.denied),
            ReadingLimits {
                deadline: now.checked_add(reading_time).unwrap_or(now),
                reads: limits.reads,
                bytes: limits.read_bytes,
                answer: usize::try_from(limits.memory / ANSWER_PART).unwrap_or(usize::MAX),
            },
            Arc::clone(&memory),
        );
        telling.ledger = Some(reading.ledger());
        let namespaces = self.namespaces(&caller.owner);
        let call = CallContext {
            tool: name.clone(),
            account,
            memory,
            reading,
            namespaces,
            output: limits.output,
            notes,
        };
        let Finished { result, tally, cpu, memory } =
            tool.component.call(arguments, call, *limits, permit).await;
        let (answer, verdict) = judged(&tool, result);
        let answered =
            Answered { answer, token_refused: tally.token_refused, spent: Spent { tally, cpu, memory } };
        telling.tell(verdict, &answered);
        answered
    }
}

impl Plugins {
    /// Where somebody may be able to read who may not read everywhere.
    fn namespaces(&self, owner: &Owner) -> Vec<String> {
        /// Each costs an access review.
        const MOST: usize = 50;
        let configured = self.loader.config.namespaces.iter().map(String::as_str);
        let usual = [owner.namespace(), Some(self.cluster.server.default_namespace()), Some("default")];
        let mut namespaces: Vec<String> = Vec::new();
        for namespace in configured.chain(usual.into_iter().flatten()) {
            if !namespaces.iter().any(|known| known == namespace) {
                namespaces.push(namespace.to_owned());
            }
        }
        namespaces.truncate(MOST);
        namespaces
    }
}

/// The audit line of a call that is under way. Dropped before it is told, the client has left.
struct Telling<'c> {
    audit: &'c Audit,
    /// Room for the line, once the call has begun.
    reservation: Option<Reservation>,
    figures: &'c Figures,
    caller: &'c str,
    /// Client and name as they may be logged.
    client: Option<String>,
    name: String,
    arguments: Map<String, Value>,
    redactor: Redactor,
    tool: Option<Arc<Tool>>,
    ledger: Option<Arc<Ledger>>,
    began: Instant,
    told: bool,
}

impl Telling<'_> {
    /// The call did not begin.
    fn refused(&mut self, verdict: &'static str, text: String) -> Answered {
        let answered =
            Answered { answer: Answer::Error(text), token_refused: false, spent: Spent::default() };
        self.tell(verdict, &answered);
        answered
    }

    fn tell(&mut self, verdict: &'static str, answered: &Answered) {
        self.told = true;
        self.write(verdict, &answered.spent, answered.answer.len());
    }

    /// Into the audit log, the figures and the page.
    fn write(&mut self, verdict: &'static str, spent: &Spent, bytes_out: usize) {
        let reservation = self.reservation.take();
        let line = self.line(verdict, spent, bytes_out);
        self.audit.write(&line, reservation);
        let recent = Recent::of(&line, self.began.elapsed());
        self.figures.ended(self.tool.is_some(), recent, &line.reads, spent);
    }

    /// The reads as they may be logged: a namespace is an argument of the caller's.
    fn reads(&self, spent: &Spent) -> Vec<ReadLog> {
        let mut reads = spent.tally.made.clone();
        for read in &mut reads {
            read.namespace = read.namespace.take().map(|namespace| self.redactor.text(&namespace));
            read.resource = self.redactor.text(&read.resource);
        }
        reads
    }

    fn line(&self, verdict: &'static str, spent: &Spent, bytes_out: usize) -> AuditLine<'_> {
        AuditLine {
            version: self.tool.as_ref().map(|tool| tool.description.version.as_str()),
            digest: self.tool.as_ref().map(|tool| tool.digest.as_str()),
            arguments: self.arguments.clone(),
            reads: self.reads(spent),
            read_bytes: spent.tally.bytes,
            bytes_out,
            ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            cpu_us: u64::try_from(spent.cpu.as_micros()).unwrap_or(u64::MAX),
            memory: spent.memory,
            ..AuditLine::unserved(self.caller, self.client.as_deref(), &self.name, verdict)
        }
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if !self.told {
            // What was read until then; the reading itself is gone.
            let tally = self.ledger.as_ref().map(|ledger| ledger.tally()).unwrap_or_default();
            self.write("left", &Spent { tally, ..Spent::default() }, 0);
        }
    }
}

impl Answer {
    /// Bytes of what it says.
    fn len(&self) -> usize {
        match self {
            Self::Outcome(outcome) => size(outcome),
            Self::Error(text) => text.len(),
            Self::Overlong { error, text } => error.len().saturating_add(text.len()),
        }
    }
}

/// The answer to give, and its word in the audit line.
fn judged(tool: &Tool, result: Result<Outcome, Stopped>) -> (Answer, &'static str) {
    let name = &tool.description.name;
    match result {
        Ok(outcome) => match tool.fit(outcome) {
            Ok(outcome) => (Answer::Outcome(outcome), "ok"),
            Err(overlong) => (overlong, "overlong"),
        },
        Err(Stopped::Error(text)) => match tool.fit_error(text) {
            Ok(text) => (Answer::Error(text), "error"),
            Err(overlong) => (overlong, "overlong"),
        },
        Err(Stopped::Memory(exhausted)) => (Answer::Error(format!("{name}: {exhausted}")), "busy"),
        Err(Stopped::Limit(limit)) => {
            let text = format!(
                "{name} was stopped: {limit}. Ask for less: one namespace, a selector, a limit. The operator can raise it under limits in the configuration."
            );
            (Answer::Error(text), "limit")
        }
        Err(Stopped::Fault(cause)) => {
            tracing::error!(tool = name, version = tool.description.version, "fault: {cause}");
            let text = format!(
                "{name} {} failed by a fault of its own: {cause}. Other tools still work; its author should know.",
                tool.description.version
            );
            (Answer::Error(text), "fault")
        }
    }
}
