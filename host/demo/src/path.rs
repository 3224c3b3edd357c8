//! URL parser of the Kubernetes API (`k8s.io/apiserver/pkg/endpoints/request`, RequestInfo).

/// A requested object, list or subresource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    /// Path after `proxy`, on the node itself.
    pub(crate) behind: String,
}

impl Resource {
    /// Parses `/api/v1/…` or `/apis/<group>/<version>/…`; `None` for any other path.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let mut parts = path
            .strip_prefix('/')?
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned());
        let group = match parts.next()?.as_str() {
            "api" => String::new(),
            "apis" => parts.next()?,
            _ => return None,
        };
        let version = parts.next()?;
        let mut rest: Vec<String> = parts.collect();
        let mut namespace = None;
        // `namespaces/x` is the namespace itself; `namespaces/x/pods` are the pods in it.
        if rest.len() > 2 && rest.first().is_some_and(|part| part == "namespaces") {
            namespace = rest.get(1).cloned();
            rest.drain(..2);
        } else if group.is_empty() && rest.first().is_some_and(|part| part == "namespaces") {
            namespace = rest.get(1).cloned();
        }
        let mut rest = rest.into_iter();
        let plural = rest.next()?;
        let (name, subresource) = (rest.next(), rest.next());
        let behind: Vec<String> = rest.collect();
        if !behind.is_empty() && subresource.as_deref() != Some("proxy") {
            return None;
        }
        Some(Self { group, version, plural, namespace, name, subresource, behind: behind.join("/") })
    }

    /// Resource in RBAC notation: `pods` or `pods/log`.
    pub(crate) fn with_subresource(&self) -> String {
        match &self.subresource {
            Some(subresource) => format!("{}/{subresource}", self.plural),
            None => self.plural.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_as_the_api_server_does() {
        let parsed = |path| {
            Resource::parse(path).map(|r| {
                format!(
                    "{}|{}|{}|{}|{}",
                    r.group,
                    r.namespace.clone().unwrap_or_default(),
                    r.plural,
                    r.name.clone().unwrap_or_default(),
                    r.subresource.unwrap_or_default()
                )
            })
        };
        assert_eq!(parsed("/api/v1/pods").as_deref(), Some("||pods||"));
        assert_eq!(parsed("/api/v1/namespaces").as_deref(), Some("||namespaces||"));
        assert_eq!(parsed("/api/v1/namespaces/shop").as_deref(), Some("|shop|namespaces|shop|"));
        assert_eq!(parsed("/api/v1/namespaces/shop/pods/web/log").as_deref(), Some("|shop|pods|web|log"));
        assert_eq!(
            parsed("/apis/apps/v1/namespaces/shop/deployments").as_deref(),
            Some("apps|shop|deployments||")
        );
        assert_eq!(parsed("/api/v1/nodes/n/proxy/stats/summary").as_deref(), Some("||nodes|n|proxy"));
        assert_eq!(parsed("/api/v1/nodes/n/status/x"), None);
        assert_eq!(parsed("/apis/apps/v1"), None);
        assert_eq!(parsed("/version"), None);
    }
}
