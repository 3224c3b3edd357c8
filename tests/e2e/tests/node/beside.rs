//! Deployments beside the guide's that serve the tools of a road.

use std::time::Duration;

use porthole_testbed::dify::Dify;
use serde_json::{Value, json};

use crate::{deployed::Deployed, deployment::Deployment, until};

/// Maximum time until another deployment serves: its image is there, and it compiles what it serves.
const STARTED: Duration = Duration::from_secs(180);

/// A deployment that a reader asks; deleted on drop.
pub(crate) struct Beside {
    deployment: Deployment<'static>,
    token: &'static str,
}

impl Beside {
    /// Deploys it in a namespace, with the pod that `change` makes of the guide's.
    pub(crate) fn deploy(
        deployed: &'static Deployed,
        place: (&'static str, &'static str),
        change: impl FnOnce(&mut Value),
    ) -> Self {
        Self { deployment: Deployment::apply(&deployed.node, place, 1, change), token: &deployed.token }
    }

    /// Waits until a call is answered with this text.
    pub(crate) async fn until_answered(&self, tool: &str, text: &str) {
        until(&format!("{} answers {text}", self.deployment.name), STARTED, async || {
            let visit = Dify::visit(&self.deployment.origin, Some(self.token), tool, json!({})).await;
            match visit {
                Ok(answer) if answer.contains(text) => Ok(()),
                Ok(other) => Err(other),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await;
    }

    /// Identity of its one pod.
    pub(crate) fn pod_uid(&self) -> String {
        let selector = format!("app={}", self.deployment.name);
        let path = "jsonpath={.items[0].metadata.uid}";
        let arguments = ["get", "pods", "-n", self.deployment.namespace, "-l", &selector, "-o", path];
        self.deployment.node.kubectl(&arguments).unwrap()
    }
}
