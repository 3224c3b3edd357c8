//! What every transport answers: initialize, tools/list, tools/call, and empty lists of what there is none of.

use std::{
    borrow::Cow,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::{HeaderMap, request::Parts};
use futures::FutureExt;
use porthole_contract::{Echo, LogLevel, Note, Printable, cut};
use porthole_identity::Caller;
use porthole_tools::{Call, Calls, Verdict};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, ClientJsonRpcMessage, ClientRequest,
        CustomRequest, CustomResult, ErrorCode, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ProtocolVersion, ServerConfig, SubscriptionFilter,
    },
    service::{RequestContext, SubscriptionContext},
};
use tokio::sync::{mpsc, watch};

use super::{
    Stop,
    answer::{listed, result},
    id::is_short,
    notifications::{self, Subscribed},
    recorded::Recorded,
};

/// Versions with an initialize handshake; a client that asks for another is answered with [`FALLBACK`].
static HANDSHAKE: [ProtocolVersion; 4] = [
    ProtocolVersion::V_2024_11_05,
    ProtocolVersion::V_2025_03_26,
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
];
/// The newest that Dify accepts.
const FALLBACK: ProtocolVersion = ProtocolVersion::V_2025_03_26;
/// Notes of a tool that wait for the client; further ones are dropped.
const NOTES: usize = 16;
/// What a model should know before its first call.
const INSTRUCTIONS: &str = "Porthole reads a Kubernetes cluster as the account of the token it was given, and changes nothing. Start with the list tools; where a list is long, narrow it with a namespace or a labelSelector.";

/// How the client came here.
#[derive(Clone)]
pub(super) enum Transport {
    Sse,
    Streamable,
    /// Everything on stdin is this caller's.
    Stdio(Caller),
}

/// The MCP server of one connection. Cheap to clone: it holds nothing of a session.
#[derive(Clone)]
pub(super) struct Handler {
    calls: Arc<Calls>,
    transport: Transport,
    /// What the client of this session asked for.
    level: Arc<Mutex<Option<LogLevel>>>,
    stop: Stop,
}

impl Handler {
    pub(super) fn new(calls: Arc<Calls>, transport: Transport, stop: Stop) -> Self {
        Self { calls, transport, level: Arc::default(), stop }
    }

    /// The same server for one more session.
    pub(super) fn for_session(&self) -> Self {
        Self { level: Arc::default(), ..self.clone() }
    }

    /// From which level on a tool's messages reach the client.
    fn level(&self) -> Option<LogLevel> {
        let asked = *self.level.lock().unwrap_or_else(PoisonError::into_inner);
        // Without a session nothing that was asked for before is remembered, and a server may choose.
        asked.or(match self.transport {
            Transport::Sse => None,
            Transport::Streamable | Transport::Stdio(_) => Some(LogLevel::Info),
        })
    }

    /// Changes whenever other tools are served than before.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.calls.catalog().changes()
    }

    /// Who sent the request: put there by `sse::message`, by `bearer::identify`, or known from the start.
    fn caller(&self, context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
        if let Transport::Stdio(caller) = &self.transport {
            return Ok(caller.clone());
        }
        extension::<Caller>(context)
            .ok_or_else(|| ErrorData::internal_error("the request has no caller", None))
    }

    /// What the client calls itself: in the request, in its handshake, or in its HTTP headers.
    fn client(&self, context: &RequestContext<RoleServer>) -> Option<String> {
        let named = context.meta.client_info().or_else(|| match self.transport {
            // Every request stands alone; rmcp takes its own name for that of a client without a handshake.
            Transport::Streamable => None,
            Transport::Sse | Transport::Stdio(_) => context.client_info(),
        });
        match named {
            Some(info) => Some(client_name(&format!("{} {}", cut(&info.name, 100), cut(&info.version, 100)))),
            None => match context.extensions.get::<PostedBy>() {
                Some(PostedBy(agent)) => Some(agent.clone()),
                None => user_agent(&context.extensions.get::<Parts>()?.headers),
            },
        }
    }

    /// Writes the audit line of a call that does not reach its tool.
    pub(super) fn record(&self, caller: &Caller, client: Option<String>, tool: &str, verdict: Verdict) {
        self.calls.record_unserved(caller, client, tool, verdict);
    }

    /// Writes the audit line of a message that is not served, if it is a call.
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
        let told = Subscribed {
            token: context.meta.get_progress_token(),
            level: self.level(),
            tool: request.name.clone(),
        };
        let (notes, mut said) = mpsc::channel::<Note>(NOTES);
        let call = Call {
            tool: request.name.into_owned(),
            arguments: request.arguments.unwrap_or_default(),
            client: self.client(context),
            notes: told.anything().then_some(notes),
        };
        let call = self.calls.call(call, &caller);
        let forward = async {
            while let Some(note) = said.recv().await {
                if let Some(notification) = told.notification(note)
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
        let mut config = ServerConfig::new(notifications::capabilities()).with_instructions(INSTRUCTIONS);
        config.protocol_version = FALLBACK;
        config.server_info = Implementation::new("porthole", env!("CARGO_PKG_VERSION"));
        config
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        match self.transport {
            Transport::Sse => Cow::Borrowed(&HANDSHAKE),
            Transport::Streamable | Transport::Stdio(_) => Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS),
        }
    }

    /// All tools in one page: Dify asks for no second one.
    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let snapshot = self.calls.catalog().after_first_scan().await;
        let mut list =
            ListToolsResult::with_all_items(snapshot.tools.values().map(|tool| listed(tool)).collect());
        (list.ttl_ms, list.cache_scope) = caching(&context);
        Ok(list)
    }

    /// Ends with the client: rmcp never aborts a handler, and a panic in one would leave the request open for ever.
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(recorded) = extension::<Recorded>(&context) {
            recorded.set();
        }
        let left = context.ct.clone();
        if left.is_cancelled() {
            let caller = self.caller(&context)?;
            self.record(&caller, self.client(&context), &request.name, Verdict::Cancelled);
            return Err(ErrorData::internal_error("the call was cancelled", None));
        }
        tokio::select! {
            // The call first: once it has begun, it is told in the audit log however it ends.
            biased;
            answer = AssertUnwindSafe(self.call(request, &context)).catch_unwind() => answer.unwrap_or_else(|_| {
                Err(ErrorData::internal_error("Porthole failed in this call; its log has the cause", None))
            }),
            () = left.cancelled() => Err(ErrorData::internal_error("the call was cancelled", None)),
            () = self.stop.over.cancelled() => Err(Stop::error()),
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

    /// Of all that a client can subscribe to here there is one thing: that other tools are served.
    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = SubscriptionFilter::default();
        accepted.tools_list_changed = requested.tools_list_changed;
        Some(accepted)
    }

    /// Says so until the client leaves or the host stops.
    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let caller = self.caller(subscription.request_context())?;
        let mut changes = self.changes();
        let _place = self
            .calls
            .subscribe(&caller.owner)
            .await
            .map_err(|busy| ErrorData::internal_error(busy.to_string(), None))?;
        loop {
            tokio::select! {
                () = subscription.cancelled() => return Ok(()),
                () = self.stop.begun.cancelled() => return Ok(()),
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
        let mut list = ListPromptsResult::default();
        (list.ttl_ms, list.cache_scope) = caching(&context);
        Ok(list)
    }

    /// rmcp takes a known method with malformed params for an unknown method; the client should hear what is wrong.
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
                if let Some(recorded) = extension::<Recorded>(&context) {
                    recorded.set();
                }
                ErrorData::invalid_params(
                    "tools/call: malformed params; it takes {\"name\": \"…\", \"arguments\": {…}}",
                    None,
                )
            }
            "initialize" | "tools/list" | "ping" => {
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

/// What was put into a request on its way here, or into the HTTP request that carried it.
fn extension<T: Clone + Send + Sync + 'static>(context: &RequestContext<RoleServer>) -> Option<T> {
    let extensions = &context.extensions;
    extensions.get::<T>().or_else(|| extensions.get::<Parts>()?.extensions.get::<T>()).cloned()
}

/// How long a list may be taken as it is, and by whom: revision 2026-07-28 wants that, and older clients are not told.
fn caching(context: &RequestContext<RoleServer>) -> (Option<u64>, Option<CacheScope>) {
    /// A client that did not hear of a change of the tools finds it after a minute.
    const TTL_MS: u64 = 60_000;
    let version = context.protocol_version();
    if version.is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str()) {
        (Some(TTL_MS), Some(CacheScope::Private))
    } else {
        (None, None)
    }
}

/// What the HTTP client that posted a message to a session calls itself.
#[derive(Clone)]
pub(super) struct PostedBy(pub(super) String);

/// What an HTTP client calls itself.
pub(super) fn user_agent(headers: &HeaderMap) -> Option<String> {
    Some(client_name(headers.get(http::header::USER_AGENT)?.to_str().ok()?))
}

/// The name of a client as it stands in logs.
fn client_name(name: &str) -> String {
    /// Bytes of it that are kept.
    const MAX_CLIENT: usize = 100;
    let printable = Printable(cut(name, MAX_CLIENT)).to_string();
    cut(&printable, MAX_CLIENT).to_owned()
}
