//! Short forms of the reads that most tools make.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Error, call,
    kube_read::{self, GetQuery, KindRef, ListQuery, LogQuery, ReadError, View},
    types::{Content, Outcome},
};

/// The answer of a tool; the text of an error is for the model.
pub type Answer = Result<Outcome, Error>;

/// An answer of plain text.
pub fn text(text: impl Into<String>) -> Answer {
    Ok(Outcome { content: vec![Content::Text(text.into())], structured: None })
}

/// A kind by any of its names: `pods`, `Deployment`, `deployments.apps`.
pub fn kind(name: &str) -> KindRef {
    KindRef { kind: name.to_owned(), api_version: None }
}

/// The requested namespace, or the host's default.
pub fn namespace_or_default(requested: Option<String>) -> String {
    requested.unwrap_or_else(call::default_namespace)
}

/// Parses JSON that the host returned. A field that is `null` is as one that is left out: Go writes an empty list or map so,
/// such as the endpoints of a Service that selects nothing.
pub fn parsed<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    let error = match serde_json::from_str(json) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    // Only now, because it takes several times the memory.
    let without_nulls = serde_json::from_str::<Value>(json).ok().and_then(|mut value| {
        leave_out_nulls(&mut value);
        serde_json::from_value(value).ok()
    });
    without_nulls
        .ok_or_else(|| format!("the cluster's answer is not what this tool expects: {}", short(&error)))
}

fn leave_out_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(leave_out_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_nulls),
        _ => {}
    }
}

/// The reason of a parser, on a line: its words repeat a text that stands where something else is expected.
pub(crate) fn short(error: &serde_json::Error) -> String {
    const MAX_REASON: usize = 256;
    let reason = error.to_string();
    porthole_lists::one_line(porthole_field_path::cut(&reason, MAX_REASON)).into_owned()
}

/// The entries of a comma-separated list of paths, without a dot in front.
pub fn paths(list: Option<&str>) -> Vec<&str> {
    let paths = porthole_field_path::split(list.unwrap_or_default()).into_iter();
    paths.map(|path| path.trim_start_matches('.')).filter(|path| !path.is_empty()).collect()
}

fn view(fields: &[&str]) -> View {
    if fields.is_empty() {
        return View::Whole;
    }
    View::Fields(fields.iter().map(|field| (*field).to_owned()).collect())
}

/// One object, or only some of its fields (none named: all).
pub fn get<T: DeserializeOwned>(
    kind: KindRef,
    namespace: Option<String>,
    name: &str,
    fields: &[&str],
) -> Result<T, ReadError> {
    let query = GetQuery { kind, namespace, name: name.to_owned(), view: view(fields) };
    let json = kube_read::get_object(&query)?;
    parsed(&json).map_err(|message| ReadError {
        reason: kube_read::Reason::Other,
        message,
        retry_after_seconds: None,
    })
}

/// A query for all objects of a kind, without paging, with only these fields of each.
pub fn list_all_of(kind: KindRef, namespace: Option<String>, fields: &[&str]) -> ListQuery {
    ListQuery {
        kind,
        namespace,
        label_selector: None,
        field_selector: None,
        limit: None,
        continue_token: None,
        resource_version: None,
        view: view(fields),
    }
}

/// A query for the whole log of a pod's only container.
pub fn log_of(namespace: String, pod: String) -> LogQuery {
    LogQuery {
        namespace,
        pod,
        container: None,
        previous: false,
        tail_lines: None,
        since_seconds: None,
        since_time: None,
        timestamps: false,
        pattern: None,
        invert: false,
        context_lines: 0,
        fold: false,
        limit_bytes: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Slice {
        name: String,
        #[serde(default)]
        endpoints: Vec<String>,
        port: Option<u32>,
    }

    #[test]
    fn a_null_is_as_a_field_that_is_left_out() {
        let slice = Slice { name: "web".into(), endpoints: Vec::new(), port: None };
        let json = r#"[{"name":"web","endpoints":null,"port":null}]"#;
        assert_eq!(parsed::<Vec<Slice>>(json).unwrap(), [slice]);
        let mistake = parsed::<Vec<Slice>>(r#"[{"name":null}]"#).unwrap_err();
        assert!(mistake.contains("invalid type: null"), "{mistake}");
    }
}
