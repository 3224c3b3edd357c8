//! Parts of a request: paths of checked segments, bounded parameters, media types.
//!
//! Paths by hand, because kube's requests put names into them unescaped.

#[cfg(test)]
mod tests;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use porthole_contract::{Echo, Failure, Kind, MAX_ECHO, MAX_NAME, Reason, is_label, is_subdomain, truncate};

pub(super) const JSON: &str = "application/json";
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
pub(super) const MAX_VERSION: usize = 128;

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
