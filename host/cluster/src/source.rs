//! Source of the cluster's address and credentials: a kubeconfig, or the pod's ServiceAccount.

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;

use std::path::PathBuf;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use super::{
    connections::CONNECT_TIMEOUT,
    in_cluster::{self, InClusterError},
};

/// Source of the cluster's address and credentials.
pub enum Source {
    /// `$KUBECONFIG`, `~/.kube/config`, or the cluster of this pod, whose CA and namespace (and token, if any) are
    /// files in the folder `account`.
    Default {
        /// Context of the kubeconfig; None for its current one.
        context: Option<String>,
        /// Folder of the pod's ServiceAccount.
        account: PathBuf,
    },
    /// A kubeconfig file.
    File {
        /// Path of the file.
        kubeconfig: PathBuf,
        /// Its context; None for the current one.
        context: Option<String>,
    },
    /// The text of a kubeconfig, for a cluster started by this process.
    Text(String),
}

/// Reason that the cluster cannot be connected to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig is unreadable, or lacks the context.
    #[error("kubeconfig {path}: {cause}")]
    Kubeconfig {
        /// The path, or another description of the source.
        path: String,
        /// The parser's error.
        cause: KubeconfigError,
    },
    /// No kubeconfig was given, none of the default locations holds one, and this is not a pod.
    #[error("no cluster: name one with --kubeconfig FILE, or run in a pod ({kubeconfig}; {pod})")]
    NotFound {
        /// Error of the kubeconfig.
        kubeconfig: KubeconfigError,
        /// Error of the in-cluster configuration.
        pod: InClusterError,
    },
    /// The address or the certificates of the cluster are invalid.
    #[error("cannot connect to the cluster: {0}")]
    Client(kube::Error),
}

impl Source {
    /// The configuration, and the namespace that the kubeconfig's context names.
    pub(super) async fn config(&self) -> Result<(kube::Config, Option<String>), ConnectError> {
        let options =
            |context: &Option<String>| KubeConfigOptions { context: context.clone(), ..Default::default() };
        let refused = |path: String| move |cause| ConnectError::Kubeconfig { path, cause };
        let config_of = async |kubeconfig: Kubeconfig, context: &Option<String>| {
            let namespace = context_namespace(&kubeconfig, context.as_deref());
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options(context)).await?;
            Ok::<_, KubeconfigError>((config, namespace))
        };
        let (mut config, namespace) = match self {
            Self::File { kubeconfig: path, context } => {
                let refused = || refused(path.display().to_string());
                let kubeconfig = Kubeconfig::read_from(path).map_err(refused())?;
                config_of(kubeconfig, context).await.map_err(refused())?
            }
            Self::Text(text) => {
                let refused = || refused("(in memory)".into());
                let kubeconfig = Kubeconfig::from_yaml(text).map_err(refused())?;
                config_of(kubeconfig, &None).await.map_err(refused())?
            }
            // A context that was named must be there: without it the pod's own cluster is no substitute.
            Self::Default { context: context @ Some(_), .. } => {
                let refused = || refused("(from the environment)".into());
                config_of(Kubeconfig::read().map_err(refused())?, context).await.map_err(refused())?
            }
            Self::Default { context: None, account } => {
                let read = match Kubeconfig::read() {
                    Ok(kubeconfig) => config_of(kubeconfig, &None).await,
                    Err(error) => Err(error),
                };
                match read {
                    Ok(config) => config,
                    Err(kubeconfig) => {
                        let config = in_cluster::config(account)
                            .map_err(|pod| ConnectError::NotFound { kubeconfig, pod })?;
                        (config, None)
                    }
                }
            }
        };
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // The deadline of each call bounds its reads, and a retry would use up its budget unseen; `throttle` knows both.
        config.read_timeout = None;
        config.default_retry = false;
        Ok((config, namespace))
    }
}

/// The namespace that a context, or else the current one, names.
fn context_namespace(kubeconfig: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let name = context.or(kubeconfig.current_context.as_deref())?;
    let named = kubeconfig.contexts.iter().find(|context| context.name == name)?;
    named.context.as_ref()?.namespace.clone().filter(|namespace| !namespace.is_empty())
}

/// The address without userinfo, which may hold a password.
pub(super) fn format_address(url: &http::Uri) -> String {
    let host = url.host().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}", url.scheme_str().unwrap_or("https"))
}
