//! Credentials out of a `config.json` of Docker, such as a Secret of type kubernetes.io/dockerconfigjson holds.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

/// Credentials of a host; anonymous if the file names it not.
///
/// Helpers and stores of credentials are programs, and are not started.
pub(crate) fn credentials(config: &[u8], host: &str) -> Result<RegistryAuth, String> {
    // Without the library's own text: it would repeat what the file holds.
    let config: DockerConfig = serde_json::from_slice(config).map_err(|error| {
        format!(
            "dockerConfig is not a config.json of Docker (line {}, column {})",
            error.line(),
            error.column()
        )
    })?;
    let names = |name: &str| {
        let name = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
        name.split('/').next() == Some(host)
    };
    let Some((_, entry)) = config.auths.into_iter().find(|(name, _)| names(name)) else {
        return Ok(RegistryAuth::Anonymous);
    };
    if let (Some(username), Some(password)) = (entry.username, entry.password) {
        return Ok(RegistryAuth::Basic(username, password));
    }
    let none =
        || format!("dockerConfig has no user and password for {host}, in auth or in username and password");
    let auth = entry.auth.ok_or_else(none)?;
    let decoded = STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let (username, password) = decoded.as_deref().and_then(|text| text.split_once(':')).ok_or_else(none)?;
    Ok(RegistryAuth::Basic(username.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_the_host() {
        let config = br#"{"auths": {"https://r.example/v1/": {"auth": "dTpwOnE="}, "s.example": {"username": "a", "password": "b"},
            "t.example": {}}}"#;
        assert!(
            credentials(config, "r.example").unwrap()
                == RegistryAuth::Basic("u".to_owned(), "p:q".to_owned())
        );
        assert!(
            credentials(config, "s.example").unwrap() == RegistryAuth::Basic("a".to_owned(), "b".to_owned())
        );
        assert!(credentials(config, "example").unwrap() == RegistryAuth::Anonymous);
        assert!(credentials(config, "t.example").unwrap_err().contains("t.example"));
        let error = credentials(br#"{"auths": "s3cret"}"#, "r.example").unwrap_err();
        assert!(error.contains("line 1") && !error.contains("s3cret"), "{error}");
    }
}
