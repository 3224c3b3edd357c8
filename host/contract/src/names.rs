//! Validation of Kubernetes names before they become part of a URL path.

/// Max bytes of a name.
pub const MAX_NAME: usize = 253;
/// Max bytes of a DNS label.
const MAX_LABEL: usize = 63;

/// True for a DNS label (RFC 1123): a namespace, a plural, a version.
pub fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty()
        && text.len() <= MAX_LABEL
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// True for a DNS subdomain: a node, a group.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= MAX_NAME && text.split('.').all(is_label)
}

/// True for the name of a kind: letters and digits, a letter first.
pub fn is_kind(text: &str) -> bool {
    text.len() <= MAX_LABEL
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_names() {
        assert!(is_label("kube-system") && is_label("v1beta1") && !is_label("-a") && !is_label("a.b"));
        assert!(!is_label("pods/../secrets") && !is_label("Pods") && !is_label(""));
        assert!(is_subdomain("metrics.k8s.io") && !is_subdomain("a..b") && !is_subdomain("http:node:2379"));
        assert!(
            is_kind("CSIDriver") && is_kind("Pod") && !is_kind("") && !is_kind("Po d") && !is_kind("1Pod")
        );
    }
}
