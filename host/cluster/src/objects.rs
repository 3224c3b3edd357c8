//! Objects and lists, in the views of the contract.
//!
//! Paths by hand, because kube's requests put names into them unescaped.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use porthole_contract::{
    Echo, Failure, GetQuery, Kind, ListQuery, MAX_ECHO, MAX_NAME, Page, Reason, View, is_label, is_subdomain,
    truncate,
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::error::Category;

use super::{
    Client, ReadBudget, Redaction,
    mask::count,
    shape::{FieldSelection, Items, Projection, copy},
    table::{NamespaceColumn, table},
};

const JSON: &str = "application/json";
pub(super) const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
/// One object, and a list, without anything but metadata.
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
pub(super) const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
/// Characters to escape in a path or query: all but the unreserved ones of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Max bytes of a selector, of a continue token (base64 of a key in etcd) and of a resource version: they become part
/// of the URL, and of errors.
pub(super) const MAX_SELECTOR: usize = 4 << 10;
pub(super) const MAX_CONTINUE: usize = 8 << 10;
const MAX_VERSION: usize = 128;

/// Validates and escapes a name for a path. A name with a slash would read something else.
pub(super) fn segment<'n>(what: &str, name: &'n str) -> Result<percent_encoding::PercentEncode<'n>, Failure> {
    let fits = !name.is_empty() && name.len() <= MAX_NAME && name != "." && name != "..";
    escape_if(what, name, fits && !name.contains(['/', '%']))
}

/// Validates and escapes a namespace for a path.
pub(super) fn namespace_segment(name: &str) -> Result<percent_encoding::PercentEncode<'_>, Failure> {
    escape_if("namespace", name, is_label(name))
}

/// Validates and escapes a node for a path. The proxy also accepts `scheme:name:port`, which would reach another port
/// of the node.
pub(super) fn node_segment(name: &str) -> Result<percent_encoding::PercentEncode<'_>, Failure> {
    escape_if("node", name, is_subdomain(name))
}

fn escape_if<'n>(
    what: &str,
    name: &'n str,
    fits: bool,
) -> Result<percent_encoding::PercentEncode<'n>, Failure> {
    if !fits {
        return Err(Failure::new(
            Reason::Invalid,
            format!("{what} {} is not a name in Kubernetes", Echo(name)),
        ));
    }
    Ok(utf8_percent_encode(name, ESCAPED))
}

/// Rejects a parameter that is longer than any in Kubernetes.
pub(super) fn check_length(name: &str, value: Option<&str>, max: usize) -> Result<(), Failure> {
    match value.filter(|value| value.len() > max) {
        Some(value) => Err(Failure::new(
            Reason::Invalid,
            format!("{name} {} is longer than {max} bytes; ask for less", Echo(value)),
        )),
        None => Ok(()),
    }
}

/// Adds `key=value` to the query of `path`.
pub(super) fn parameter(path: &mut String, key: &str, value: &str) {
    path.push(if path.contains('?') { '&' } else { '?' });
    path.push_str(key);
    path.push('=');
    path.extend(utf8_percent_encode(value, ESCAPED));
}

/// The path of a kind's objects.
pub(super) fn path(kind: &Kind, namespace: Option<&str>) -> Result<String, Failure> {
    let mut path = if kind.group.is_empty() {
        format!("/api/{}", kind.version)
    } else {
        format!("/apis/{}/{}", kind.group, kind.version)
    };
    if let Some(namespace) = namespace {
        path.push_str("/namespaces/");
        path.extend(namespace_segment(namespace)?);
    }
    path.push('/');
    path.push_str(&kind.plural);
    Ok(path)
}

/// Describes a read for messages: `pods in namespace shop`.
pub(super) fn describe_read(kind: &Kind, namespace: Option<&str>, name: Option<&str>) -> String {
    let name = name.map(|name| format!(" {}", Echo(name))).unwrap_or_default();
    match namespace.map(|namespace| truncate(namespace, MAX_ECHO)) {
        Some(namespace) => format!("{}{name} in namespace {namespace}", kind.qualified_name()),
        None if kind.namespaced => format!("{}{name} in all namespaces", kind.qualified_name()),
        None => format!("{}{name}", kind.qualified_name()),
    }
}

/// Error for an unexpected answer. Without serde's message, which may quote the answer and thus a Secret.
pub(super) fn decode_error(what: &str, error: &serde_json::Error) -> Failure {
    let cause = match error.classify() {
        Category::Eof => "it breaks off",
        Category::Data => "a field is of another type, missing, or there twice",
        Category::Io | Category::Syntax => "it is not JSON",
    };
    let (line, column) = (error.line(), error.column());
    Failure::new(
        Reason::Unavailable,
        format!(
            "{what}: the answer of the API server cannot be read: {cause} (line {line}, column {column})"
        ),
    )
}

pub(super) fn into_utf8(what: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| {
        Failure::new(Reason::Unavailable, format!("{what}: the answer of the API server is not UTF-8"))
    })
}

/// Reads one object.
pub async fn get_object(
    client: Client<'_>,
    kind: &Kind,
    query: &GetQuery,
    redaction: Redaction,
) -> Result<String, Failure> {
    let namespace = query.namespace.as_deref().filter(|_| kind.namespaced);
    let what = describe_read(kind, namespace, Some(&query.name));
    if kind.namespaced && namespace.is_none() {
        return Err(Failure::new(
            Reason::Invalid,
            format!("{} live in namespaces: name one", kind.qualified_name()),
        ));
    }
    let mut path = path(kind, namespace)?;
    path.push('/');
    path.extend(segment("name", &query.name)?);
    let projection = match &query.view {
        View::Fields(fields) => Some(Projection::parse(fields)?),
        _ => None,
    };
    let out = if matches!(query.view, View::Table | View::Outline) {
        parameter(&mut path, "includeObject", "None");
        let answer = client.get(&path, TABLE, &what).await?;
        return Ok(table(answer, NamespaceColumn::Absent, redaction, client.budget, &what).await?.items);
    } else {
        let body = client.get(&path, JSON, &what).await?.bytes().await?;
        check_kind(&body, &kind.kind, &what)?;
        // The body stays reserved until the call ends, and covers the copy, which is about as long. Until this returns,
        // both exist.
        let scratch = client.budget.scratch();
        scratch.hold_up_to(body.len(), &what).await?;
        let mut out = Vec::with_capacity(body.len());
        let selection = projection.as_ref().map_or(FieldSelection::All, Projection::selection);
        copy(&body, selection, redaction, &mut out).map_err(|error| decode_error(&what, &error))?;
        out
    };
    count_masked(client.budget, redaction, &out);
    client.budget.check_size(out.len(), &what)?;
    into_utf8(&what, out)
}

/// Counts the masks in an answer, if its messages are masked.
pub(super) fn count_masked(budget: &ReadBudget, redaction: Redaction, answer: &[u8]) {
    if redaction == Redaction::Messages {
        budget.count_masked(count(answer));
    }
}

/// Reads one page of a list.
pub async fn list_objects(
    client: Client<'_>,
    kind: &Kind,
    query: &ListQuery,
    redaction: Redaction,
) -> Result<Page, Failure> {
    let namespace = query.namespace.as_deref().filter(|_| kind.namespaced);
    let what = describe_read(kind, namespace, None);
    let mut path = path(kind, namespace)?;
    check_length("labelSelector", query.label_selector.as_deref(), MAX_SELECTOR)?;
    check_length("fieldSelector", query.field_selector.as_deref(), MAX_SELECTOR)?;
    check_length("continue", query.continue_token.as_deref(), MAX_CONTINUE)?;
    check_length("resourceVersion", query.resource_version.as_deref(), MAX_VERSION)?;
    // Without `Exact` the API server may answer with a newer state.
    let exactly = query.resource_version.as_ref().filter(|_| query.continue_token.is_none()).map(|_| "Exact");
    let parameters = [
        ("labelSelector", query.label_selector.as_deref()),
        ("fieldSelector", query.field_selector.as_deref()),
        ("limit", query.limit.map(|limit| limit.to_string()).as_deref()),
        ("continue", query.continue_token.as_deref()),
        ("resourceVersion", query.resource_version.as_deref().filter(|_| query.continue_token.is_none())),
        ("resourceVersionMatch", exactly),
    ]
    .map(|(key, value)| (key, value.filter(|value| !value.is_empty()).map(str::to_owned)));
    for (key, value) in parameters {
        if let Some(value) = value {
            parameter(&mut path, key, &value);
        }
    }
    let page = match &query.view {
        View::Table | View::Outline => {
            let in_all = kind.namespaced && namespace.is_none() && matches!(query.view, View::Table);
            // The API server's own table has no column of namespaces: the metadata of each object has it.
            let (column, object) =
                if in_all { (NamespaceColumn::Added, "Metadata") } else { (NamespaceColumn::Absent, "None") };
            parameter(&mut path, "includeObject", object);
            let answer = client.get(&path, TABLE, &what).await?;
            table(answer, column, redaction, client.budget, &what).await
        }
        View::Whole => items(client, &path, FieldSelection::All, redaction, &what).await,
        View::Fields(fields) => {
            let projection = Projection::parse(fields)?;
            items(client, &path, projection.selection(), redaction, &what).await
        }
    };
    page.map_err(|failure| with_selectors(query, failure))
}

/// Adds the selectors to an error: the API server describes the mistake, but not in which selector it is.
fn with_selectors(query: &ListQuery, mut failure: Failure) -> Failure {
    if failure.reason == Reason::Invalid {
        let selectors = [("labelSelector", &query.label_selector), ("fieldSelector", &query.field_selector)];
        for (name, selector) in selectors {
            if let Some(selector) = selector {
                failure.message.push_str(&format!(" ({name} {})", Echo(selector)));
            }
        }
    }
    failure
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListMetadata {
    resource_version: String,
    #[serde(rename = "continue")]
    continue_token: String,
    remaining_item_count: Option<u64>,
}

impl ListMetadata {
    pub(super) fn page(self, items: String, count: u32) -> Page {
        Page {
            items,
            count,
            resource_version: self.resource_version,
            continue_token: Some(self.continue_token).filter(|token| !token.is_empty()),
            remaining: self.remaining_item_count,
        }
    }
}

/// Reads a list object by object, copying the selected part of each as it arrives.
async fn items(
    client: Client<'_>,
    path: &str,
    selection: FieldSelection<'_>,
    redaction: Redaction,
    what: &str,
) -> Result<Page, Failure> {
    let mut answer = client.get(path, JSON, what).await?;
    let mut list = Items::of("items");
    let scratch = client.budget.scratch();
    let mut out = vec![b'['];
    let mut count: u32 = 0;
    while let Some(chunk) = answer.chunk().await? {
        // An element of an aggregated API may be as large as `readBytes`, and is held while it arrives.
        scratch.hold_up_to(list.buffered().saturating_add(chunk.len()), what).await?;
        let before = out.len();
        list.feed(&chunk, |element| {
            if count > 0 {
                out.push(b',');
            }
            count = count.saturating_add(1);
            copy(element, selection, redaction, &mut out).map_err(|error| decode_error(what, &error))?;
            client.budget.check_size(out.len(), what)
        })?;
        client.budget.hold(out.len().saturating_sub(before), what).await?;
    }
    out.push(b']');
    count_masked(client.budget, redaction, &out);
    Ok(envelope(list, what)?.page(into_utf8(what, out)?, count))
}

/// Parses the metadata of a list after its items were cut out. Rejects a body that is not a list, of which nothing was
/// requested.
pub(super) fn envelope(list: Items, what: &str) -> Result<ListMetadata, Failure> {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        kind: String,
        #[serde(default)]
        metadata: ListMetadata,
        /// Required, but may be null, as Go writes an empty array.
        #[serde(deserialize_with = "Option::deserialize")]
        items: Option<Vec<IgnoredAny>>,
    }
    let envelope = list.envelope().map_err(Failure::from)?;
    let Envelope { kind, metadata, items } =
        serde_json::from_slice(&envelope).map_err(|error| decode_error(what, &error))?;
    // The items are cut out already, so an element here means that the document is not a list.
    if !kind.ends_with("List") || items.is_some_and(|items| !items.is_empty()) {
        return Err(wrong_kind(what, &kind, "a list"));
    }
    Ok(metadata)
}

/// Rejects an object of another kind than requested. An API server sets the kind of each object.
pub(super) fn check_kind(body: &[u8], kind: &str, what: &str) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct TypeMeta<'b> {
        #[serde(borrow, default)]
        kind: Cow<'b, str>,
    }
    let TypeMeta { kind: found } =
        serde_json::from_slice(body).map_err(|error| decode_error(what, &error))?;
    if found == kind { Ok(()) } else { Err(wrong_kind(what, &found, kind)) }
}

pub(super) fn wrong_kind(what: &str, found: &str, expected: &str) -> Failure {
    Failure::new(
        Reason::Unsupported,
        format!(
            "{what}: the API server was asked for {expected} and answered with kind {}, which is not handed out",
            Echo(found)
        ),
    )
}

impl From<super::shape::NotAList> for Failure {
    fn from(_: super::shape::NotAList) -> Self {
        Self::new(Reason::Unavailable, "the answer of the API server broke off or is not a list; ask again")
    }
}
