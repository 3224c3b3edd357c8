//! Status of the sources that a server polls: for /readyz, the log and the metrics.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use porthole_contract::{Printable, truncate};
use porthole_registry::{ImageReference, Pulled};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::health::SourceStatus;

/// Max bytes of an error; /readyz shows it to anyone.
const MAX_ERROR: usize = 1 << 10;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PullLabels {
    /// Images come from the configuration, so there are few.
    image: String,
    outcome: &'static str,
}

/// State of one source.
#[derive(Debug, Clone, Default)]
struct SourceState {
    /// Time of the last poll that succeeded.
    checked: Option<SystemTime>,
    /// Error of the last poll.
    error: Option<String>,
}

/// Status of all polled sources.
#[derive(Default)]
pub(crate) struct PollStatus {
    sources: Mutex<BTreeMap<String, SourceState>>,
    pulls: Family<PullLabels, Counter>,
}

impl PollStatus {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let porthole = registry.sub_registry_with_prefix("porthole");
        porthole.register(
            "source_pulls",
            "Polls of registries for a tool, by what came of them",
            self.pulls.clone(),
        );
    }

    /// States for /readyz, by image.
    pub(crate) fn list(&self) -> Vec<SourceStatus> {
        let sources = self.lock();
        let status = |(image, state): (&String, &SourceState)| SourceStatus {
            image: image.clone(),
            checked: state.checked.map(|at| humantime::format_rfc3339_seconds(at).to_string()),
            error: state.error.clone(),
        };
        sources.iter().map(status).collect()
    }

    /// Keeps the sources that are polled, and adds those that are not known yet.
    pub(super) fn retain<'i>(&self, images: impl Iterator<Item = &'i ImageReference>) {
        let mut sources = self.lock();
        let mut before = std::mem::take(&mut *sources);
        for image in images.map(ToString::to_string) {
            let state = before.remove(&image).unwrap_or_default();
            sources.insert(image, state);
        }
    }

    /// Records a poll. An error is logged once, and not with each poll that meets it again.
    pub(super) fn record(&self, image: &ImageReference, outcome: &Result<Pulled, String>) {
        let image = image.to_string();
        let label = match outcome {
            Ok(pulled) if pulled.is_new => "pulled",
            Ok(_) => "unchanged",
            Err(_) => "failed",
        };
        self.pulls.get_or_create_owned(&PullLabels { image: image.clone(), outcome: label }).inc();
        let mut sources = self.lock();
        let state = sources.entry(image.clone()).or_default();
        match outcome {
            Ok(pulled) => {
                if pulled.is_new {
                    let key = pulled.tool.signed_by.as_deref().unwrap_or("none");
                    tracing::info!(%key, layer = %pulled.tool.layer, "pulled {image}");
                } else if state.error.is_some() {
                    tracing::info!("{image} is what it was, and its registry answers again");
                }
                *state = SourceState { checked: Some(SystemTime::now()), error: None };
            }
            Err(error) => state.fail(error),
        }
    }

    /// Records that no source can be polled.
    pub(super) fn fail_all(&self, error: &str) {
        self.lock().values_mut().for_each(|state| state.fail(error));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, SourceState>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SourceState {
    fn fail(&mut self, error: &str) {
        let error = truncate(&Printable(error).to_string(), MAX_ERROR).to_owned();
        if self.error.as_ref() != Some(&error) {
            tracing::warn!("a tool is not pulled, what is in the folder is served as it was: {error}");
            self.error = Some(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use porthole_registry::{ContentDigest, LockedTool};

    use super::*;

    #[test]
    fn a_failed_poll_is_shown_until_one_succeeds_and_each_is_counted() {
        let image = ImageReference::parse("r.example/certs:1").unwrap();
        let status = PollStatus::default();
        status.retain([&image].into_iter());
        let shown = || {
            let one = status.list().remove(0);
            (one.image, one.checked.is_some(), one.error)
        };
        assert_eq!(shown(), ("r.example/certs:1".to_owned(), false, None));
        let digest = ContentDigest::of(b"x");
        let tool = LockedTool { manifest: digest, layer: digest, signed_by: None, key: None };
        let pulled = |is_new| Ok(Pulled { tool: tool.clone(), path: "certs.wasm".into(), is_new });
        status.record(&image, &pulled(true));
        status.record(&image, &pulled(false));
        assert_eq!(shown(), ("r.example/certs:1".to_owned(), true, None));
        status.record(&image, &Err(format!("no\n{}", "x".repeat(MAX_ERROR))));
        let (_, checked, error) = shown();
        let error = error.unwrap();
        assert!(checked && error.starts_with("no\\n") && error.len() == MAX_ERROR, "{error}");
        status.fail_all("the configuration");
        assert_eq!(shown().2.as_deref(), Some("the configuration"));
        status.record(&image, &pulled(false));
        assert_eq!(shown().2, None);
        let mut registry = Registry::default();
        status.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for (outcome, count) in [("pulled", 1), ("unchanged", 2), ("failed", 1)] {
            let line = format!(
                "porthole_source_pulls_total{{image=\"r.example/certs:1\",outcome=\"{outcome}\"}} {count}"
            );
            assert!(text.contains(&line), "{line}: {text}");
        }
        status.retain(std::iter::empty());
        assert!(status.list().is_empty());
    }
}
