//! Tool calls: looks up the tool, validates arguments, enforces limits, audits and counts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use porthole_contract::{FINISH_MARGIN, Note};
use porthole_guard::{Ceiling, Grant, Guard, ReadLimits, ReadLog, ReadRecord};
use porthole_identity::{Authenticator, Caller, Owner};
use porthole_quota::Account;
use porthole_sandbox::{CallContext, RunReport};
use prometheus_client::registry::Registry;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::{
    Audit, CallReport, Catalog, Metrics, Origin, Permit, PermitError, Resource, Tool, Usage, Verdict,
    answer::Judgement,
    audit::{AuditLine, Redactor, Reservation},
    metrics::RecentCall,
    permits::Permits,
    unknown_tool::{closed_tool, unknown_tool},
};

/// Divisor of a component's memory limit that bounds one API answer; parsing it there takes a few times its size.
const ANSWER_DIVISOR: u64 = 8;
/// Maximum number of suggested namespaces. Each costs an access review.
const MAX_NAMESPACES: usize = 50;

/// A tool call by a client.
pub struct Call {
    /// Tool name, as the client sent it.
    pub tool: String,
    /// Arguments, as the client sent them.
    pub arguments: Map<String, Value>,
    /// Client's self-reported name, for the audit line.
    pub client: Option<String>,
    /// Receiver of the tool's messages, if the client subscribed to them.
    pub notes: Option<mpsc::Sender<Note>>,
}

/// Executes calls of a catalog's tools.
pub struct Calls {
    catalog: Arc<Catalog>,
    guard: Arc<Guard>,
    authenticator: Arc<Authenticator>,
    audit: Audit,
    in_flight: Permits,
    subscriptions: Permits,
}

impl Calls {
    /// Creates an executor that reads through `guard` and drops the cached identity of callers whose token is rejected.
    pub fn new(
        catalog: Arc<Catalog>,
        guard: Arc<Guard>,
        authenticator: Arc<Authenticator>,
        audit: Audit,
    ) -> Self {
        let limits = catalog.settings().host;
        Self {
            in_flight: Permits::new(Resource::Calls, limits.concurrency, limits.concurrency_per_caller),
            subscriptions: Permits::new(Resource::Subscriptions, limits.sessions, limits.sessions_per_caller),
            catalog,
            guard,
            authenticator,
            audit,
        }
    }

    /// The catalog of callable tools.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Tools that the operator's policy opens to the caller, by name.
    pub async fn tools(&self, caller: &Caller) -> Vec<Arc<Tool>> {
        let ceiling = self.ceiling(caller);
        let snapshot = self.catalog.after_first_scan().await;
        let open = snapshot.tools.iter().filter(|(name, _)| ceiling.allows_tool(name));
        open.map(|(_, tool)| Arc::clone(tool)).collect()
    }

    /// The operator's policy of a caller.
    fn ceiling(&self, caller: &Caller) -> Ceiling {
        self.guard.ceiling(&caller.owner.username, &caller.groups)
    }

    /// Metrics of these calls.
    pub fn metrics(&self) -> &Metrics {
        self.catalog.metrics()
    }

    /// Registers the metrics of calls, of the audit log and of the compile cache.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics().register(registry);
        self.audit.register(registry.sub_registry_with_prefix("porthole"));
        self.catalog.register_cache(registry);
    }

    /// A permit for one subscription to catalog changes; limited per caller.
    ///
    /// # Errors
    ///
    /// If the caller, or all callers together, hold the maximum.
    pub async fn subscribe(&self, owner: &Owner) -> Result<Permit, PermitError> {
        self.subscriptions.acquire(owner).await
    }

    /// Calls a tool as `caller`. Dropping the future stops the component and its reads.
    pub async fn call(&self, call: Call, caller: &Caller) -> CallReport {
        let Call { tool: name, arguments, client, notes } = call;
        let mut record = self.record(&name, &arguments, client, caller);
        // A tool that is already loaded is called at once, even if others are still being compiled.
        let mut snapshot = self.catalog.current();
        if !snapshot.tools.contains_key(name.as_str()) {
            snapshot = self.catalog.after_first_scan().await;
        }
        let ceiling = self.ceiling(caller);
        let Some(tool) = snapshot.tools.get(name.as_str()).cloned() else {
            return record.refuse(Verdict::Unknown, unknown_tool(&name, &snapshot, &ceiling));
        };
        record.tool = Some(Arc::clone(&tool));
        record.origin = snapshot.origins.get(name.as_str()).cloned();
        if !ceiling.allows_tool(&name) {
            return record.refuse(Verdict::Policy, closed_tool(&name));
        }
        let arguments = match tool.parameters.coerce(arguments) {
            Ok(arguments) => arguments,
            Err(mistake) => return record.refuse(Verdict::Arguments, format!("{name}: {mistake}")),
        };
        let permit = match self.in_flight.acquire(&caller.owner).await {
            Ok(permit) => permit,
            Err(busy) => return record.refuse(Verdict::Busy, format!("{name}: {busy}")),
        };
        // Reserved before the call begins, so that a call that ran is audited whatever happens to the sink meanwhile.
        record.reservation = match self.audit.reserve() {
            Ok(reservation) => Some(reservation),
            Err(unavailable) => return record.refuse(Verdict::Audit, format!("{name}: {unavailable}")),
        };
        // Held until the component has ended, which may be later than the client's disconnect.
        let permit = (permit, self.metrics().instance());
        record.began = Instant::now();
        let context = self.context(&tool, snapshot.grant(&tool), caller, ceiling, notes);
        record.read_log = Some(context.reader.log());
        let RunReport { result, reads, cpu, memory } =
            tool.component.call(arguments, context, tool.limits, permit).await;
        let token_refused = reads.token_refused;
        let judgement = Judgement::of(&tool, result).with_masked(&reads);
        let report = record.end(judgement, Usage { reads, cpu, memory });
        // After the record is written: the client may disconnect during this await.
        if token_refused {
            self.authenticator.forget(caller).await;
        }
        report
    }

    /// Limits, guarded reader and account of one call of `tool`.
    fn context(
        &self,
        tool: &Tool,
        grant: &Arc<Grant>,
        caller: &Caller,
        ceiling: Ceiling,
        notes: Option<mpsc::Sender<Note>>,
    ) -> CallContext {
        let limits = &tool.limits;
        let account = Account::of(&*caller.owner);
        let memory = Arc::new(self.catalog.memory().share(account));
        // Reads end before the call does, so that a tool can answer with what it has. Half of a short timeout at least.
        let reading_time = limits.timeout.saturating_sub(FINISH_MARGIN).max(limits.timeout / 2);
        let now = tokio::time::Instant::now();
        let namespaces = self.namespaces(&caller.owner, &ceiling);
        let reader = self.guard.reader(
            caller.credential.clone(),
            ceiling,
            Arc::clone(grant),
            ReadLimits {
                deadline: now.checked_add(reading_time).unwrap_or(now),
                reads: limits.reads,
                bytes: limits.read_bytes,
                log_bytes: limits.log_bytes,
                answer: usize::try_from(limits.memory / ANSWER_DIVISOR).unwrap_or(usize::MAX),
            },
            Arc::clone(&memory),
        );
        CallContext {
            tool: tool.description.name.clone(),
            account,
            memory,
            reader,
            namespaces,
            output: limits.output,
            notes,
        }
    }

    /// Namespaces to suggest to a caller who may not list cluster-wide: those of its policy, if that names any.
    fn namespaces(&self, owner: &Owner, ceiling: &Ceiling) -> Vec<String> {
        if let Some(open) = ceiling.namespaces() {
            return open.into_iter().take(MAX_NAMESPACES).map(str::to_owned).collect();
        }
        let configured = self.catalog.settings().namespaces.iter().map(String::as_str);
        let usual = [owner.namespace(), Some(self.guard.default_namespace()), Some("default")];
        let mut namespaces: Vec<String> = Vec::new();
        for namespace in configured.chain(usual.into_iter().flatten()) {
            if !namespaces.iter().any(|known| known == namespace) {
                namespaces.push(namespace.to_owned());
            }
        }
        namespaces.truncate(MAX_NAMESPACES);
        namespaces
    }

    /// Records a call that does not reach its tool: malformed, cancelled before it began, or busy.
    pub fn record_unserved(&self, caller: &Caller, client: Option<String>, tool: &str, verdict: Verdict) {
        let redactor = Redactor::new(caller.presented.as_ref());
        let (tool, client) = (redactor.redact(tool), client.map(|client| redactor.redact(&client)));
        let line = AuditLine::unserved(&caller.owner.username, client.as_deref(), &tool, verdict);
        self.audit.write(&line, None);
        // Only names of served tools become labels of metrics.
        let known = self.catalog.current().tools.contains_key(line.tool);
        let recent = RecentCall::of(&line, Duration::ZERO);
        self.metrics().record_call(known, recent, &[], &Usage::default());
    }

    fn record<'c>(
        &'c self,
        name: &str,
        arguments: &Map<String, Value>,
        client: Option<String>,
        caller: &'c Caller,
    ) -> CallRecord<'c> {
        let redactor = Redactor::new(caller.presented.as_ref());
        CallRecord {
            calls: self,
            reservation: None,
            caller: &caller.owner.username,
            client: client.map(|client| redactor.redact(&client)),
            name: redactor.redact(name),
            arguments: redactor.redact_arguments(arguments),
            redactor,
            tool: None,
            origin: None,
            read_log: None,
            began: Instant::now(),
            written: false,
        }
    }
}

/// Record of a call in progress, for the audit log, the metrics and the admin page. If dropped before it is written,
/// the call was abandoned: its client disconnected.
struct CallRecord<'c> {
    calls: &'c Calls,
    /// Queue capacity for the audit line, once the call has begun.
    reservation: Option<Reservation>,
    caller: &'c str,
    /// Client, name and arguments, redacted for the log.
    client: Option<String>,
    name: String,
    arguments: Map<String, Value>,
    redactor: Redactor,
    tool: Option<Arc<Tool>>,
    origin: Option<Arc<Origin>>,
    read_log: Option<Arc<ReadLog>>,
    began: Instant,
    written: bool,
}

impl CallRecord<'_> {
    /// Ends a call that did not begin.
    fn refuse(&mut self, verdict: Verdict, text: String) -> CallReport {
        self.end(Judgement::error(verdict, text), Usage::default())
    }

    fn end(&mut self, judgement: Judgement, usage: Usage) -> CallReport {
        let Judgement { answer, bytes, verdict } = judgement;
        self.write(verdict, &usage, bytes);
        CallReport { answer, bytes, usage }
    }

    fn write(&mut self, verdict: Verdict, usage: &Usage, bytes: usize) {
        // Before anything here can panic: a drop during the unwinding would write a second line for this call.
        self.written = true;
        let reservation = self.reservation.take();
        let line = self.line(verdict, usage, bytes);
        self.calls.audit.write(&line, reservation);
        let recent = RecentCall::of(&line, self.began.elapsed());
        self.calls.metrics().record_call(self.tool.is_some(), recent, &line.reads, usage);
    }

    /// Reads, redacted for the log: namespace and resource originate from the caller's arguments.
    fn reads(&self, usage: &Usage) -> Vec<ReadRecord> {
        let mut reads = usage.reads.records.clone();
        for read in &mut reads {
            read.namespace = read.namespace.take().map(|namespace| self.redactor.redact(&namespace));
            read.resource = self.redactor.redact(&read.resource);
        }
        reads
    }

    fn line(&self, verdict: Verdict, usage: &Usage, bytes: usize) -> AuditLine<'_> {
        AuditLine {
            version: self.tool.as_ref().map(|tool| &*tool.description.version),
            digest: self.tool.as_ref().map(|tool| tool.digest),
            source: self.origin.as_ref().map(|origin| origin.source()),
            signed_by: self.origin.as_ref().and_then(|origin| origin.signed_by()),
            arguments: self.arguments.clone(),
            reads: self.reads(usage),
            read_bytes: usage.reads.bytes,
            bytes_out: bytes,
            ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            cpu_us: u64::try_from(usage.cpu.as_micros()).unwrap_or(u64::MAX),
            memory: usage.memory,
            ..AuditLine::unserved(self.caller, self.client.as_deref(), &self.name, verdict)
        }
    }
}

impl Drop for CallRecord<'_> {
    fn drop(&mut self) {
        if !self.written {
            // The reader is gone with the call; the log it shared holds the reads until then.
            let reads = self.read_log.as_ref().map(|log| log.summary()).unwrap_or_default();
            self.write(Verdict::Left, &Usage { reads, ..Usage::default() }, 0);
        }
    }
}
