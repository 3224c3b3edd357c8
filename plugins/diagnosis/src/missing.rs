//! Objects that the kubelet misses: a ConfigMap or Secret, or a key of one.

use crate::Kind;

/// Something missing, in the kubelet's words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Missing {
    /// A whole object.
    Object(Kind, String),
    /// A key of an object; the name is empty where the kubelet gives none.
    Key(Kind, String, String),
}

impl Missing {
    /// The kubelet's words for what is missing: `configmap "app" not found`, `couldn't find key url in ConfigMap shop/app`,
    /// `configmap references non-existent config key: url`.
    pub(crate) fn parse(message: &str) -> Option<Self> {
        if let Some(rest) = message.split("couldn't find key ").nth(1) {
            let (key, rest) = rest.split_once(" in ")?;
            let (kind, name) = rest.split_once(' ')?;
            let kind = if kind == "Secret" { Kind::Secret } else { Kind::ConfigMap };
            let name = name.split([' ', ',']).next()?;
            let name = name.rsplit('/').next().unwrap_or(name);
            return Some(Self::Key(kind, name.to_owned(), key.to_owned()));
        }
        for (words, kind) in
            [("non-existent config key: ", Kind::ConfigMap), ("non-existent secret key: ", Kind::Secret)]
        {
            if let Some(key) = message.split(words).nth(1) {
                let key = key.split([',', ' ', ']']).next()?.trim_end_matches('.');
                return Some(Self::Key(kind, String::new(), key.to_owned()));
            }
        }
        for (words, kind) in [
            ("configmap \"", Kind::ConfigMap),
            ("configmaps \"", Kind::ConfigMap),
            ("secret \"", Kind::Secret),
            ("secrets \"", Kind::Secret),
        ] {
            for rest in message.split(words).skip(1) {
                if let Some((name, after)) = rest.split_once('"')
                && after.starts_with(" not found")
                // It becomes part of a sentence of ours.
                && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"-._".contains(&letter))
                {
                    return Some(Self::Object(kind, name.to_owned()));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_the_kubelets_words_is_read() {
        let key = |kind, name: &str, key: &str| Some(Missing::Key(kind, name.to_owned(), key.to_owned()));
        let object = |kind, name: &str| Some(Missing::Object(kind, name.to_owned()));
        for (message, missing) in [
            ("configmap \"app\" not found", object(Kind::ConfigMap, "app")),
            (
                "MountVolume.SetUp failed for volume \"x\" : secret \"tls\" not found",
                object(Kind::Secret, "tls"),
            ),
            ("couldn't find key url in ConfigMap shop/app", key(Kind::ConfigMap, "app", "url")),
            ("couldn't find key pw in Secret shop/db", key(Kind::Secret, "db", "pw")),
            (
                "MountVolume.SetUp failed for volume \"x\" : configmap references non-existent config key: a.conf",
                key(Kind::ConfigMap, "", "a.conf"),
            ),
            (
                "MountVolume.SetUp failed for volume \"x\" : references non-existent secret key: tls.key",
                key(Kind::Secret, "", "tls.key"),
            ),
            ("configmap \"a`b\" not found", None),
            ("object \"shop\"/\"app\" not registered", None),
            ("failed to sync configmap cache: timed out waiting for the condition", None),
        ] {
            assert_eq!(Missing::parse(message), missing, "{message}");
        }
    }
}
