//! MCP request handler shared by all transports.

use std::{
    borrow::Cow,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::{HeaderMap, request::Parts};
use futures::FutureExt;
use porthole_contract::{Echo, LogLevel, Note, Printable, truncate};
use porthole_identity::Caller;
use porthole_tools::{Call, Calls, Verdict};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, ClientJsonRpcMessage, ClientRequest,
        CustomRequest, CustomResult, ErrorCode, GetPromptRequestParams, GetPromptResponse, Implementation,
        ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ProtocolVersion, ServerConfig, SubscriptionFilter,
    },
    service::{RequestContext, SubscriptionContext},
};
use tokio::sync::{mpsc, watch};

use super::{
    Shutdown,
    answer::{descriptor, result},
    audit_mark::AuditMark,
    id::is_short,
    notifications::{self, Subscription},
    prompts::Prompts,
};

/// Protocol versions with an initialize handshake. A client that requests another one gets [`FALLBACK_VERSION`].
static HANDSHAKE_VERSIONS: [ProtocolVersion; 4] = [
    ProtocolVersion::V_2024_11_05,
    ProtocolVersion::V_2025_03_26,
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
];
/// Newest version that every release of Dify accepts (docs/research/dify-verified.md).
const FALLBACK_VERSION: ProtocolVersion = ProtocolVersion::V_2025_03_26;
/// Maximum number of queued messages of a tool; further ones are dropped.
const MAX_NOTES: usize = 16;
/// Server instructions, for the model.
const INSTRUCTIONS: &str = "Porthole reads a Kubernetes cluster as the account of the token it was given, and changes nothing. Start with the list tools; where a list is long, narrow it with a namespace or a labelSelector.";

/// Transport of a connection.
#[derive(Clone)]
pub(super) enum Transport {
    Sse,
    Streamable,
    /// Stdio, on behalf of this caller.
    Stdio(Caller),
}

/// MCP server of one connection. Cheap to clone; of a session it holds only the log level.
#[derive(Clone)]
pub(super) struct Handler {
    calls: Arc<Calls>,
    prompts: Arc<Prompts>,
    transport: Transport,
    /// Log level that the client of this session requested.
    level: Arc<Mutex<Option<LogLevel>>>,
    shutdown: Shutdown,
}

impl Handler {
    pub(super) fn new(
        calls: Arc<Calls>,
        prompts: Arc<Prompts>,
        transport: Transport,
        shutdown: Shutdown,
    ) -> Self {
        Self { calls, prompts, transport, level: Arc::default(), shutdown }
    }

    /// Creates a handler with a log level of its own, for another session.
    pub(super) fn for_session(&self) -> Self {
        Self { level: Arc::default(), ..self.clone() }
    }

    /// Minimum level of the tool messages sent to the client.
    fn level(&self) -> Option<LogLevel> {
        let requested = *self.level.lock().unwrap_or_else(PoisonError::into_inner);
        // The stateless transport does not remember a requested level; the server may then choose one.
        requested.or(match self.transport {
            Transport::Sse => None,
            Transport::Streamable | Transport::Stdio(_) => Some(LogLevel::Info),
        })
    }

    /// Notifies when the set of served tools changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.calls.catalog().changes()
    }

    /// Caller of the request: attached by `sse::message` or `porthole_http::identify`, or fixed for stdio.
    fn caller(&self, context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
        if let Transport::Stdio(caller) = &self.transport {
            return Ok(caller.clone());
        }
        extension::<Caller>(context)
            .ok_or_else(|| ErrorData::internal_error("the request has no caller", None))
    }

    /// Client's self-reported name, from the request, its handshake or its User-Agent header.
    fn client(&self, context: &RequestContext<RoleServer>) -> Option<String> {
        let info = context.meta.client_info().or_else(|| match self.transport {
            // Requests are independent; without a handshake rmcp reports its own name as the client's.
            Transport::Streamable => None,
            Transport::Sse | Transport::Stdio(_) => context.client_info(),
        });
        match info {
            Some(info) => {
                Some(client_name(&format!("{} {}", truncate(&info.name, 100), truncate(&info.version, 100))))
            }
            None => match context.extensions.get::<UserAgent>() {
                Some(UserAgent(agent)) => Some(agent.clone()),
                None => user_agent(&context.extensions.get::<Parts>()?.headers),
            },
        }
    }

    /// Audits a call that does not reach its tool.
    pub(super) fn record(&self, caller: &Caller, client: Option<String>, tool: &str, verdict: Verdict) {
        self.calls.record_unserved(caller, client, tool, verdict);
    }

    /// Audits a message that is not served, if it is a call.
    pub(super) fn record_unserved(
        &self,
        message: &ClientJsonRpcMessage,
        verdict: Verdict,
        client: Option<String>,
    ) {
        let ClientJsonRpcMessage::Request(message) = message else { return };
        let (tool, extensions) = match &message.request {
            ClientRequest::CallToolRequest(call) => (call.params.name.as_ref(), &call.extensions),
            ClientRequest::CustomRequest(call) if call.method == "tools/call" => ("", &call.extensions),
            _ => return,
        };
        if let Some(caller) = extensions.get::<Caller>() {
            self.record(caller, client, tool, verdict);
        }
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = self.caller(context)?;
        if context.meta.get_progress_token().is_some_and(|token| !is_short(&token.0)) {
            self.record(&caller, self.client(context), &request.name, Verdict::Malformed);
            return Err(ErrorData::invalid_params("tools/call: the progressToken is too long", None));
        }
        let subscription = Subscription {
            token: context.meta.get_progress_token(),
            level: self.level(),
            tool: request.name.clone(),
        };
        let (notes, mut queued_notes) = mpsc::channel::<Note>(MAX_NOTES);
        let call = Call {
            tool: request.name.into_owned(),
            arguments: request.arguments.unwrap_or_default(),
            client: self.client(context),
            notes: subscription.is_active().then_some(notes),
        };
        let call = self.calls.call(call, &caller);
        let forward = async {
            while let Some(note) = queued_notes.recv().await {
                if let Some(notification) = subscription.notification(note)
                    && context.peer.send_notification(notification).await.is_err()
                {
                    break;
                }
            }
        };
        let (report, ()) = tokio::join!(call, forward);
        Ok(result(report.answer).into())
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let mut config = ServerConfig::new(notifications::capabilities(!self.prompts.is_empty()))
            .with_instructions(INSTRUCTIONS);
        config.protocol_version = FALLBACK_VERSION;
        config.server_info = Implementation::new("porthole", env!("CARGO_PKG_VERSION"));
        config
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        match self.transport {
            Transport::Sse => Cow::Borrowed(&HANDSHAKE_VERSIONS),
            Transport::Streamable | Transport::Stdio(_) => Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS),
        }
    }

    /// Lists all tools in one page: Dify does not request a second one.
    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.calls.tools(&self.caller(&context)?).await;
        let mut list = ListToolsResult::with_all_items(tools.iter().map(|tool| descriptor(tool)).collect());
        (list.ttl_ms, list.cache_scope) = caching(&context);
        Ok(list)
    }

    /// Calls a tool until the client disconnects. rmcp never aborts a handler, and a panic would leave its request
    /// unanswered.
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(audit_mark) = extension::<AuditMark>(&context) {
            audit_mark.set();
        }
        let cancellation = context.ct.clone();
        if cancellation.is_cancelled() {
            let caller = self.caller(&context)?;
            self.record(&caller, self.client(&context), &request.name, Verdict::Cancelled);
            return Err(ErrorData::internal_error("the call was cancelled", None));
        }
        tokio::select! {
            // Polled first: its first poll creates the audit record, which is written however the call ends.
            biased;
            answer = AssertUnwindSafe(self.call(request, &context)).catch_unwind() => answer.unwrap_or_else(|_| {
                Err(ErrorData::internal_error("Porthole failed in this call; its log has the cause", None))
            }),
            () = cancellation.cancelled() => Err(ErrorData::internal_error("the call was cancelled", None)),
            () = self.shutdown.grace_over.cancelled() => Err(Shutdown::error()),
        }
    }

    #[expect(deprecated, reason = "clients of the handshake versions ask for it")]
    async fn set_level(
        &self,
        request: rmcp::model::SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if !matches!(self.transport, Transport::Streamable) {
            let level = notifications::level(request.level);
            *self.level.lock().unwrap_or_else(PoisonError::into_inner) = Some(level);
        }
        Ok(())
    }

    /// Only `tools/list_changed` can be subscribed to.
    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = SubscriptionFilter::default();
        accepted.tools_list_changed = requested.tools_list_changed;
        Some(accepted)
    }

    /// Forwards list changes until the client disconnects or the host stops.
    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let caller = self.caller(subscription.request_context())?;
        let mut changes = self.changes();
        let _permit = self
            .calls
            .subscribe(&caller.owner)
            .await
            .map_err(|busy| ErrorData::internal_error(busy.to_string(), None))?;
        loop {
            tokio::select! {
                () = subscription.cancelled() => return Ok(()),
                () = self.shutdown.begun.cancelled() => return Ok(()),
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
            }
            if subscription.sink().notify_tool_list_changed().await.is_err() {
                return Ok(());
            }
        }
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut list = ListResourcesResult::default();
        (list.ttl_ms, list.cache_scope) = caching(&context);
        Ok(list)
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut list = ListResourceTemplatesResult::default();
        (list.ttl_ms, list.cache_scope) = caching(&context);
        Ok(list)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut list = ListPromptsResult::with_all_items(self.prompts.list());
        (list.ttl_ms, list.cache_scope) = caching(&context);
        Ok(list)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        Ok(self.prompts.get(&request.name, request.arguments.as_ref())?.into())
    }

    /// Reports malformed params: rmcp parses a known method with malformed params as an unknown method.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(match request.method.as_str() {
            "tools/call" => {
                let name = request.params.as_ref().and_then(|params| params.get("name")?.as_str());
                let caller = self.caller(&context)?;
                self.record(&caller, self.client(&context), name.unwrap_or_default(), Verdict::Malformed);
                if let Some(audit_mark) = extension::<AuditMark>(&context) {
                    audit_mark.set();
                }
                ErrorData::invalid_params(
                    "tools/call: malformed params; it takes {\"name\": \"…\", \"arguments\": {…}}",
                    None,
                )
            }
            "initialize" | "tools/list" | "prompts/get" | "ping" => {
                ErrorData::invalid_params(format!("{}: malformed params", request.method), None)
            }
            method => ErrorData::new(
                ErrorCode::METHOD_NOT_FOUND,
                format!("there is no method {} here; tools/list and tools/call are", Echo(method)),
                None,
            ),
        })
    }
}

/// Extension of the request, or of the HTTP request that carried it.
fn extension<T: Clone + Send + Sync + 'static>(context: &RequestContext<RoleServer>) -> Option<T> {
    let extensions = &context.extensions;
    extensions.get::<T>().or_else(|| extensions.get::<Parts>()?.extensions.get::<T>()).cloned()
}

/// Cache lifetime and scope of a list: required by revision 2026-07-28, and omitted for older clients.
fn caching(context: &RequestContext<RoleServer>) -> (Option<u64>, Option<CacheScope>) {
    /// A client that missed a change notification refreshes the list after a minute.
    const TTL_MS: u64 = 60_000;
    let version = context.protocol_version();
    if version.is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str()) {
        (Some(TTL_MS), Some(CacheScope::Private))
    } else {
        (None, None)
    }
}

/// User-Agent of the POST that carried a session's message.
#[derive(Clone)]
pub(super) struct UserAgent(pub(super) String);

/// Client name from the User-Agent header.
pub(super) fn user_agent(headers: &HeaderMap) -> Option<String> {
    Some(client_name(headers.get(http::header::USER_AGENT)?.to_str().ok()?))
}

/// Sanitizes and truncates a client name for the log.
fn client_name(name: &str) -> String {
    /// Maximum length in bytes.
    const MAX_CLIENT: usize = 100;
    let printable = Printable(truncate(name, MAX_CLIENT)).to_string();
    truncate(&printable, MAX_CLIENT).to_owned()
}
