//! Container logs, and the kubelet's errors if there is none.
//!
//! A log file has plain lines. Their timestamps are one second apart; the last is the container's end, or now.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use crate::{objects::Object, status::Refusal, timestamps};

type Parameters = BTreeMap<String, String>;

/// Requested run of a container.
struct Run {
    container: String,
    previous: bool,
    /// Timestamp of its last line.
    last: Timestamp,
}

/// Log of a pod's container.
pub(crate) fn answer(
    pod: &Object,
    parameters: &Parameters,
    logs: &BTreeMap<String, String>,
) -> Result<String, Refusal> {
    let text = |name: &str| parameters.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let number = |name: &str| -> Result<Option<usize>, Refusal> {
        let bad = |value: &str| Refusal::bad_request(format!("{name}: invalid value {value:?}"));
        text(name).map(|value| value.parse().map_err(|_| bad(value))).transpose()
    };
    let on = |name: &str| matches!(text(name), Some("true" | "1"));
    let run = run(pod, text("container"), on("previous"))?;
    let namespace = pod.namespace.as_deref().unwrap_or_default();
    let suffix = if run.previous { "previous.log" } else { "log" };
    let file = format!("{namespace}/{}/{}.{suffix}", pod.name, run.container);
    let log = logs.get(&file).map_or("", String::as_str);
    let count = i64::try_from(log.lines().count()).unwrap_or_default();
    let lines = log.split_inclusive('\n').zip(1i64..).map(|(line, number)| {
        let before = count.saturating_sub(number).seconds();
        (run.last.checked_sub(before).unwrap_or(run.last), line)
    });
    let since = match (text("sinceTime"), number("sinceSeconds")?) {
        (Some(time), _) => Some(
            time.parse().map_err(|_| Refusal::bad_request(format!("sinceTime: invalid value {time:?}")))?,
        ),
        (None, Some(seconds)) => {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            Some(
                Timestamp::from_second(timestamps::now().as_second().saturating_sub(seconds))
                    .unwrap_or(Timestamp::MIN),
            )
        }
        (None, None) => None,
    };
    let kept: Vec<(Timestamp, &str)> =
        lines.filter(|(time, _)| since.is_none_or(|since| *time >= since)).collect();
    let skip = kept.len().saturating_sub(number("tailLines")?.unwrap_or(usize::MAX));
    let mut answer = String::new();
    for (time, line) in kept.into_iter().skip(skip) {
        if on("timestamps") {
            answer.push_str(&time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z ").to_string());
        }
        answer.push_str(line);
    }
    if let Some(limit) = number("limitBytes")? {
        let end = (0..=limit.min(answer.len())).rev().find(|at| answer.is_char_boundary(*at)).unwrap_or(0);
        answer.truncate(end);
    }
    Ok(answer)
}

/// Selects the container like the API server (`pkg/registry/core/pod`, LogLocation), and its run like the kubelet
/// (`pkg/kubelet`, validateContainerLogStatus).
fn run(pod: &Object, container: Option<&str>, previous: bool) -> Result<Run, Refusal> {
    let names = |field: &str| -> Vec<&str> {
        pod.json["spec"][field].as_array().into_iter().flatten().filter_map(|c| c["name"].as_str()).collect()
    };
    let (ordinary, init) = (names("containers"), names("initContainers"));
    let annotated = pod.json["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    let container = match (container, ordinary.as_slice(), annotated) {
        (Some(name), ..) if ordinary.contains(&name) || init.contains(&name) => name,
        (Some(name), ..) => {
            return Err(Refusal::bad_request(format!("container {name} is not valid for pod {}", pod.name)));
        }
        (None, [only], _) => only,
        (None, ..) => {
            let mut message = format!(
                "a container name must be specified for pod {}, choose one of: [{}]",
                pod.name,
                ordinary.join(" ")
            );
            if !init.is_empty() {
                message.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
            }
            return Err(Refusal::bad_request(message));
        }
    };
    let statuses =
        ["containerStatuses", "initContainerStatuses"].map(|field| pod.json["status"][field].as_array());
    let status = statuses.into_iter().flatten().flatten().find(|status| status["name"] == container);
    let Some(status) = status else {
        return match pod.json["spec"]["nodeName"].as_str() {
            Some(_) => Err(Refusal::bad_request(format!(
                "container {container:?} in pod {:?} is waiting to start: ContainerCreating",
                pod.name
            ))),
            // The API server then does not contact a kubelet, and returns an empty log.
            None => Ok(Run { container: container.to_owned(), previous, last: timestamps::now() }),
        };
    };
    let ended = |state: &Value| state["terminated"]["finishedAt"].as_str().and_then(|time| time.parse().ok());
    let before = status["lastState"]["terminated"].is_object();
    let run = |previous: bool, last: Option<Timestamp>| Run {
        container: container.to_owned(),
        previous,
        last: last.unwrap_or_else(timestamps::now),
    };
    if previous {
        if before {
            return Ok(run(true, ended(&status["lastState"])));
        }
        return Err(Refusal::bad_request(format!(
            "previous terminated container {container:?} in pod {:?} not found",
            pod.name
        )));
    }
    let Some(waiting) = status["state"]["waiting"]["reason"].as_str() else {
        return Ok(run(false, ended(&status["state"])));
    };
    if before {
        return Ok(run(true, ended(&status["lastState"])));
    }
    let why = match waiting {
        "ErrImagePull" => "image can't be pulled",
        "ImagePullBackOff" => "trying and failing to pull image",
        reason => reason,
    };
    Err(Refusal::bad_request(format!(
        "container {container:?} in pod {:?} is waiting to start: {why}",
        pod.name
    )))
}
