//! Paths of logs.

use porthole_contract::{Failure, LogSource};

use crate::request::{check_length, namespace_segment, parameter, segment};

/// Max bytes of a container's name, and of an RFC 3339 timestamp.
const MAX_CONTAINER: usize = 253;
pub(super) const MAX_TIME: usize = 64;

/// The log in an error.
pub(super) fn title(source: &LogSource) -> String {
    format!("the log of pod \"{}\" in namespace {}", source.pod, source.namespace)
}

/// The path and query of a request for the log.
pub(super) fn path(source: &LogSource, timestamps: bool) -> Result<String, Failure> {
    let namespace = namespace_segment(&source.namespace)?;
    check_length("container", source.container.as_deref(), MAX_CONTAINER)?;
    check_length("sinceTime", source.since_time.as_deref(), MAX_TIME)?;
    let pod = segment("pod", &source.pod)?;
    let mut path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log");
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let yes = |on: bool| on.then(|| "true".to_owned());
    let parameters = [
        ("container", source.container.clone()),
        ("previous", yes(source.previous)),
        ("timestamps", yes(timestamps)),
        ("tailLines", number(source.tail_lines)),
        ("sinceSeconds", number(source.since_seconds.filter(|_| source.since_time.is_none()))),
        ("sinceTime", source.since_time.clone()),
    ];
    for (key, value) in parameters {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            parameter(&mut path, key, &value);
        }
    }
    Ok(path)
}
