//! diagnose_custom: the state of custom resources, and of what they own.

use porthole_diagnosis_reads::Reads;
use porthole_sdk::{prelude::*, tool};

#[derive(Arguments)]
struct Request {
    /// Name of a custom resource, or a part of it
    name: Option<String>,
    /// Alone: all custom resources in it that are not well
    namespace: Option<String>,
    /// e.g. certificates.cert-manager.io
    kind: Option<String>,
}

/// Why is a custom resource (of an operator, a CRD) not well? Reads its conditions, those of what it owns and refers to,
/// and the pods behind it. For built-in kinds ask diagnose.
#[tool(title = "Diagnose a custom resource", reads(get_list("*": "*"), get("pods/log")))]
fn diagnose_custom(request: Request) -> Answer {
    let Request { name, namespace, kind } = request;
    let request = porthole_diagnosis::Request { name, namespace, kind };
    text(porthole_diagnosis::diagnose_custom(&request, &mut Reads)?)
}
