//! The interface `porthole:tool/kube-read`: each function of the contract, handed to the guard.
//!
//! Nothing is decided here. `types::Host` has no functions; the rest translates between the contract's records and ours.

use porthole_guard::GuardedReader;

use super::{
    state::State,
    world::kube_read::{
        AccessQuery, CallerInfo, Cut, GetQuery, Host, KindInfo, KindRef, ListQuery, LogQuery, LogText,
        NodeQuery, NodeSource, Page, ReadError, Reason, Release, Verdict, View,
    },
};

type ReadResult<T> = wasmtime::Result<Result<T, ReadError>>;

impl State {
    /// Pauses the component's meter, and returns the reader.
    fn reader(&mut self) -> wasmtime::Result<&GuardedReader> {
        // The host's work for a read is not charged to the component; `answer` and `answers` resume the meter.
        self.meter.leave();
        Ok(&self.call()?.reader)
    }

    fn answer<T, F>(&mut self, answer: Result<F, porthole_contract::Failure>) -> ReadResult<T>
    where
        T: From<F>,
    {
        self.meter.enter();
        Ok(answer.map(T::from).map_err(ReadError::from))
    }

    fn answers<T, F>(
        &mut self,
        answers: Vec<Result<F, porthole_contract::Failure>>,
    ) -> wasmtime::Result<Vec<Result<T, ReadError>>>
    where
        T: From<F>,
    {
        self.meter.enter();
        Ok(answers.into_iter().map(|answer| answer.map(T::from).map_err(ReadError::from)).collect())
    }
}

impl Host for State {
    async fn get_object(&mut self, query: GetQuery) -> ReadResult<String> {
        let (kind, query) = query.into();
        let answer = self.reader()?.get_object(&kind, &query).await;
        self.answer(answer)
    }

    async fn list_objects(&mut self, query: ListQuery) -> ReadResult<Page> {
        let (kind, query) = query.into();
        let answer = self.reader()?.list_objects(&kind, &query).await;
        self.answer(answer)
    }

    async fn pod_log(&mut self, query: LogQuery) -> ReadResult<LogText> {
        let query = query.into();
        let answer = self.reader()?.pod_log(&query).await;
        self.answer(answer)
    }

    async fn node_read(&mut self, query: NodeQuery) -> ReadResult<String> {
        let query = query.into();
        let answer = self.reader()?.node_read(&query).await;
        self.answer(answer)
    }

    async fn get_all(&mut self, queries: Vec<GetQuery>) -> wasmtime::Result<Vec<Result<String, ReadError>>> {
        let queries: Vec<_> = queries.into_iter().map(Into::into).collect();
        let answers = self.reader()?.get_all(&queries).await;
        self.answers(answers)
    }

    async fn list_all(&mut self, queries: Vec<ListQuery>) -> wasmtime::Result<Vec<Result<Page, ReadError>>> {
        let queries: Vec<_> = queries.into_iter().map(Into::into).collect();
        let answers = self.reader()?.list_all(&queries).await;
        self.answers(answers)
    }

    async fn pod_logs(
        &mut self,
        queries: Vec<LogQuery>,
    ) -> wasmtime::Result<Vec<Result<LogText, ReadError>>> {
        let queries: Vec<_> = queries.into_iter().map(Into::into).collect();
        let answers = self.reader()?.pod_logs(&queries).await;
        self.answers(answers)
    }

    async fn kinds(&mut self) -> ReadResult<Vec<KindInfo>> {
        let answer = self.reader()?.kinds().await;
        let answer = answer.map(|kinds| kinds.iter().map(|kind| KindInfo::from(&**kind)).collect::<Vec<_>>());
        self.answer(answer)
    }

    async fn explain(&mut self, kind: KindRef, path: Vec<String>, depth: u32) -> ReadResult<String> {
        let answer = self.reader()?.explain(&kind.into(), &path, depth).await;
        self.answer(answer)
    }

    async fn can_i(&mut self, query: AccessQuery) -> ReadResult<Verdict> {
        let AccessQuery { verb, kind, subresource, namespace, name } = query;
        let query = porthole_contract::AccessQuery { verb, subresource, namespace, name };
        let answer = self.reader()?.can_i(&kind.into(), &query).await;
        self.answer(answer)
    }

    async fn whoami(&mut self) -> ReadResult<CallerInfo> {
        let answer = self.reader()?.whoami().await;
        self.answer(answer)
    }

    async fn cluster_address(&mut self) -> wasmtime::Result<String> {
        Ok(self.call()?.reader.address().to_owned())
    }

    async fn releases(&mut self, namespace: Option<String>) -> ReadResult<Vec<Release>> {
        let answer = self.reader()?.releases(namespace.as_deref()).await;
        let answer = answer.map(|releases| releases.into_iter().map(Release::from).collect::<Vec<_>>());
        self.answer(answer)
    }
}

// === from the contract ===

impl From<KindRef> for porthole_contract::KindRef {
    fn from(kind: KindRef) -> Self {
        Self { kind: kind.kind, api_version: kind.api_version }
    }
}

impl From<View> for porthole_contract::View {
    fn from(view: View) -> Self {
        match view {
            View::Whole => Self::Whole,
            View::Fields(fields) => Self::Fields(fields),
            View::Table => Self::Table,
            View::Outline => Self::Outline,
        }
    }
}

impl From<GetQuery> for (porthole_contract::KindRef, porthole_contract::GetQuery) {
    fn from(query: GetQuery) -> Self {
        let GetQuery { kind, namespace, name, view } = query;
        (kind.into(), porthole_contract::GetQuery { namespace, name, view: view.into() })
    }
}

impl From<ListQuery> for (porthole_contract::KindRef, porthole_contract::ListQuery) {
    fn from(query: ListQuery) -> Self {
        let ListQuery {
            kind,
            namespace,
            label_selector,
            field_selector,
            limit,
            continue_token,
            resource_version,
            view,
        } = query;
        let query = porthole_contract::ListQuery {
            namespace,
            label_selector,
            field_selector,
            limit,
            continue_token,
            resource_version,
            view: view.into(),
        };
        (kind.into(), query)
    }
}

impl From<LogQuery> for porthole_contract::LogQuery {
    fn from(query: LogQuery) -> Self {
        let LogQuery {
            namespace,
            pod,
            container,
            previous,
            tail_lines,
            since_seconds,
            since_time,
            timestamps,
            pattern,
            invert,
            context_lines,
            fold,
            limit_bytes,
        } = query;
        Self {
            namespace,
            pod,
            container,
            previous,
            tail_lines,
            since_seconds,
            since_time,
            timestamps,
            pattern,
            invert,
            context_lines,
            fold,
            limit_bytes,
        }
    }
}

impl From<NodeQuery> for porthole_contract::NodeQuery {
    fn from(query: NodeQuery) -> Self {
        let NodeQuery { node, source, tail_lines } = query;
        let source = match source {
            NodeSource::Log(name) => porthole_contract::NodeSource::Log(name),
            NodeSource::StatsSummary => porthole_contract::NodeSource::StatsSummary,
        };
        Self { node, source, tail_lines }
    }
}

// === to the contract ===

impl From<porthole_contract::Release> for Release {
    fn from(release: porthole_contract::Release) -> Self {
        let porthole_contract::Release {
            name,
            namespace,
            revision,
            status,
            chart,
            chart_version,
            app_version,
            updated,
        } = release;
        Self { name, namespace, revision, status, chart, chart_version, app_version, updated }
    }
}

impl From<porthole_contract::Failure> for ReadError {
    fn from(failure: porthole_contract::Failure) -> Self {
        let reason = match failure.reason {
            porthole_contract::Reason::NotGranted => Reason::NotGranted,
            porthole_contract::Reason::Unauthorized => Reason::Unauthorized,
            porthole_contract::Reason::Forbidden => Reason::Forbidden,
            porthole_contract::Reason::NotFound => Reason::NotFound,
            porthole_contract::Reason::UnknownKind => Reason::UnknownKind,
            porthole_contract::Reason::Invalid => Reason::Invalid,
            porthole_contract::Reason::Expired => Reason::Expired,
            porthole_contract::Reason::OverReads => Reason::OverReads,
            porthole_contract::Reason::OverBytes => Reason::OverBytes,
            porthole_contract::Reason::OverTime => Reason::OverTime,
            porthole_contract::Reason::TooLarge => Reason::TooLarge,
            porthole_contract::Reason::Throttled => Reason::Throttled,
            porthole_contract::Reason::Unsupported => Reason::Unsupported,
            porthole_contract::Reason::Unavailable => Reason::Unavailable,
            porthole_contract::Reason::Other => Reason::Other,
        };
        Self { reason, message: failure.message, retry_after_seconds: failure.retry_after_seconds }
    }
}

impl From<porthole_contract::Page> for Page {
    fn from(page: porthole_contract::Page) -> Self {
        let porthole_contract::Page { items, count, resource_version, continue_token, remaining } = page;
        Self { items, count, resource_version, continue_token, remaining }
    }
}

impl From<porthole_contract::LogText> for LogText {
    fn from(log: porthole_contract::LogText) -> Self {
        let cut = match log.cut {
            porthole_contract::Cut::Whole => Cut::Whole,
            porthole_contract::Cut::ByteLimit => Cut::ByteLimit,
            porthole_contract::Cut::TimeLimit => Cut::TimeLimit,
        };
        Self { text: log.text, lines_read: log.lines_read, bytes_read: log.bytes_read, cut }
    }
}

impl From<&porthole_contract::Kind> for KindInfo {
    fn from(kind: &porthole_contract::Kind) -> Self {
        let porthole_contract::Kind {
            group,
            version,
            plural,
            singular: _,
            kind,
            short_names,
            namespaced,
            verbs,
        } = kind.clone();
        Self { group, version, plural, kind, short_names, namespaced, verbs }
    }
}

impl From<porthole_contract::AccessDecision> for Verdict {
    fn from(verdict: porthole_contract::AccessDecision) -> Self {
        Self { allowed: verdict.allowed, reason: verdict.reason }
    }
}

impl From<(porthole_contract::UserInfo, String)> for CallerInfo {
    fn from((user, server_version): (porthole_contract::UserInfo, String)) -> Self {
        Self { username: user.username, groups: user.groups, server_version }
    }
}
