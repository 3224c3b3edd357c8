//! Polls of registries by a server, if its configuration asks for them; a build without the feature `registry` refuses them.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::{cli::Serve, config::ToolSources, health::SourceStatuses};

#[cfg(feature = "registry")]
use crate::polling::{PollPaths, Poller};

/// Polls of a server.
#[derive(Default)]
pub(crate) struct Polling {
    #[cfg(feature = "registry")]
    poller: Option<Poller>,
}

impl Polling {
    /// Begins to poll, if a source has an interval.
    pub(crate) fn start(options: &Serve, sources: &ToolSources) -> anyhow::Result<Self> {
        if sources.polls() { Self::begin(options) } else { Ok(Self::default()) }
    }

    #[cfg(feature = "registry")]
    fn begin(options: &Serve) -> anyhow::Result<Self> {
        let Some(config) = options.load.config.clone() else { return Ok(Self::default()) };
        let (folder, lock) = (options.plugins.clone(), crate::sources_lock::path(options));
        let poller = Poller::start(PollPaths { config, folder, lock })?;
        Ok(Self { poller: Some(poller) })
    }

    #[cfg(not(feature = "registry"))]
    fn begin(_: &Serve) -> anyhow::Result<Self> {
        anyhow::bail!(
            "tools.sources: poll: this build of Porthole has no client of registries (feature registry)"
        )
    }

    /// Lists the status of the sources.
    pub(crate) fn statuses(&self) -> SourceStatuses {
        #[cfg(feature = "registry")]
        if let Some(poller) = &self.poller {
            let status = Arc::clone(poller.status());
            return Arc::new(move || status.list());
        }
        Arc::new(Vec::new)
    }

    /// Registers the metrics of the polls.
    #[cfg_attr(not(feature = "registry"), expect(unused_variables, reason = "there are no polls"))]
    pub(crate) fn register(&self, registry: &mut Registry) {
        #[cfg(feature = "registry")]
        if let Some(poller) = &self.poller {
            poller.status().register(registry);
        }
    }

    /// Stops a pull that is under way.
    pub(crate) async fn stop(self) {
        #[cfg(feature = "registry")]
        if let Some(poller) = self.poller {
            poller.stop().await;
        }
    }
}
