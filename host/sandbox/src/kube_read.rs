//! The interface `porthole:tool/kube-read`: each function of the contract, handed to the guard.
//!
//! Nothing is decided here. `types::Host` has no functions; the rest translates between the contract's records and ours.

mod changes;
mod logs;

use porthole_guard::{GuardedReader, OpenLog};
use wasmtime::component::Resource;

use super::{
    state::State,
    world::kube_read::{
        AccessQuery, CallerInfo, ChangesPage, ChangesQuery, Cut, GetQuery, Host, KindInfo, KindRef,
        ListQuery, LogMatches, LogQuery, LogSearch, LogSource, LogText, NodeQuery, NodeSource, Page,
        ReadError, Reason, Release, Verdict, View,
    },
};

type ReadResult<T> = wasmtime::Result<Result<T, ReadError>>;

/// Failure or answer of the guard.
type GuardResult<T> = Result<T, porthole_contract::Failure>;

impl State {
    /// Reads through the guard. The host's work for it is not charged to the component: its meter is paused meanwhile,
    /// and resumed however the read ends.
    async fn read<T>(&mut self, read: impl AsyncFnOnce(&GuardedReader) -> T) -> wasmtime::Result<T> {
        let _paused = self.meter.paused();
        Ok(read(&self.call()?.reader).await)
    }
}

/// Translates an answer for the component.
fn translate<T: From<F>, F>(answer: GuardResult<F>) -> Result<T, ReadError> {
    answer.map(T::from).map_err(ReadError::from)
}

fn translate_all<T: From<F>, F>(answers: Vec<GuardResult<F>>) -> Vec<Result<T, ReadError>> {
    answers.into_iter().map(translate).collect()
}

impl Host for State {
    async fn get_object(&mut self, query: GetQuery) -> ReadResult<String> {
        let (kind, query) = query.into();
        Ok(translate(self.read(async |reader| reader.get_object(&kind, &query).await).await?))
    }

    async fn list_objects(&mut self, query: ListQuery) -> ReadResult<Page> {
        let (kind, query) = query.into();
        Ok(translate(self.read(async |reader| reader.list_objects(&kind, &query).await).await?))
    }

    async fn pod_log(&mut self, query: LogQuery) -> ReadResult<LogText> {
        let query = query.into();
        Ok(translate(self.read(async |reader| reader.pod_log(&query).await).await?))
    }

    async fn node_read(&mut self, query: NodeQuery) -> ReadResult<String> {
        let query = query.into();
        Ok(translate(self.read(async |reader| reader.node_read(&query).await).await?))
    }

    async fn get_all(&mut self, queries: Vec<GetQuery>) -> wasmtime::Result<Vec<Result<String, ReadError>>> {
        let queries: Vec<_> = queries.into_iter().map(Into::into).collect();
        Ok(translate_all(self.read(async |reader| reader.get_all(&queries).await).await?))
    }

    async fn list_all(&mut self, queries: Vec<ListQuery>) -> wasmtime::Result<Vec<Result<Page, ReadError>>> {
        let queries: Vec<_> = queries.into_iter().map(Into::into).collect();
        Ok(translate_all(self.read(async |reader| reader.list_all(&queries).await).await?))
    }

    async fn pod_logs(
        &mut self,
        queries: Vec<LogQuery>,
    ) -> wasmtime::Result<Vec<Result<LogText, ReadError>>> {
        let queries: Vec<_> = queries.into_iter().map(Into::into).collect();
        Ok(translate_all(self.read(async |reader| reader.pod_logs(&queries).await).await?))
    }

    async fn search_log(&mut self, query: LogSearch) -> ReadResult<LogMatches> {
        let query = query.into();
        Ok(translate(self.read(async |reader| reader.search_log(&query).await).await?))
    }

    async fn search_logs(
        &mut self,
        queries: Vec<LogSearch>,
    ) -> wasmtime::Result<Vec<Result<LogMatches, ReadError>>> {
        let queries: Vec<_> = queries.into_iter().map(Into::into).collect();
        Ok(translate_all(self.read(async |reader| reader.search_logs(&queries).await).await?))
    }

    async fn open_log(&mut self, source: LogSource) -> ReadResult<Resource<OpenLog>> {
        let source = source.into();
        let opened = self.read(async |reader| reader.open_log(&source).await).await?;
        Ok(match opened {
            Ok(log) => Ok(self.table.push(log)?),
            Err(failure) => Err(failure.into()),
        })
    }

    async fn kinds(&mut self) -> ReadResult<Vec<KindInfo>> {
        let answer = self.read(async |reader| reader.kinds().await).await?;
        let answer = answer.map(|kinds| kinds.iter().map(|kind| KindInfo::from(&**kind)).collect::<Vec<_>>());
        Ok(translate(answer))
    }

    async fn explain(&mut self, kind: KindRef, path: Vec<String>, depth: u32) -> ReadResult<String> {
        Ok(translate(self.read(async |reader| reader.explain(&kind.into(), &path, depth).await).await?))
    }

    async fn can_i(&mut self, query: AccessQuery) -> ReadResult<Verdict> {
        let AccessQuery { verb, kind, subresource, namespace, name } = query;
        let query = porthole_contract::AccessQuery { verb, subresource, namespace, name };
        Ok(translate(self.read(async |reader| reader.can_i(&kind.into(), &query).await).await?))
    }

    async fn whoami(&mut self) -> ReadResult<CallerInfo> {
        Ok(translate(self.read(async |reader| reader.whoami().await).await?))
    }

    async fn cluster_address(&mut self) -> wasmtime::Result<String> {
        Ok(self.call()?.reader.address().to_owned())
    }

    async fn releases(&mut self, namespace: Option<String>) -> ReadResult<Vec<Release>> {
        let answer = self.read(async |reader| reader.releases(namespace.as_deref()).await).await?;
        let answer = answer.map(|releases| releases.into_iter().map(Release::from).collect::<Vec<_>>());
        Ok(translate(answer))
    }

    async fn object_changes(&mut self, query: ChangesQuery) -> ReadResult<ChangesPage> {
        let (kind, query) = query.into();
        Ok(translate(self.read(async |reader| reader.object_changes(&kind, &query).await).await?))
    }

    async fn release_history(&mut self, namespace: String, name: String) -> ReadResult<Vec<Release>> {
        let answer = self.read(async |reader| reader.release_history(&namespace, &name).await).await?;
        let answer = answer.map(|releases| releases.into_iter().map(Release::from).collect::<Vec<_>>());
        Ok(translate(answer))
    }
}

// === from the component ===

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
        let source = porthole_contract::LogSource {
            namespace,
            pod,
            container,
            previous,
            tail_lines,
            since_seconds,
            since_time,
        };
        Self { source, timestamps, pattern, invert, context_lines, fold, limit_bytes }
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

// === to the component ===

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
