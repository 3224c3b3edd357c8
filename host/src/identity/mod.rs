//! Callers: whose token this is, learnt from the API server and remembered briefly.
//!
//! Knows: the API server's SelfSubjectReview. Does not know: MCP, tools, policy.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use moka::future::Cache;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::kube::{Allowance, Cluster, Credential, Failure, Reason, UserInfo, who_am_i};

/// How long a token's owner is remembered. Revoked tokens keep listing tools for this long at most; reads fail at
/// once, because each carries the token itself.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Owners remembered at one time: somebody with many tokens must not fill the memory.
const MOST_REMEMBERED: u64 = 10_000;
/// A token of Kubernetes is around 1 kB, one of an identity provider a few; longer ones are not looked at.
const LONGEST_TOKEN: usize = 16 << 10;
/// How long the API server may take to say whose token it is. Dify gives up on the whole connection after 30 s.
const REVIEW_TIME: Duration = Duration::from_secs(10);
const REVIEW_BYTES: u64 = 256 << 10;

/// What identifies a token without being it.
type Fingerprint = [u8; 32];

/// Whose sessions and limits these are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) username: String,
    uid: String,
}

impl Owner {
    /// The namespace of a ServiceAccount.
    pub(crate) fn namespace(&self) -> Option<&str> {
        let account = self.username.strip_prefix("system:serviceaccount:")?;
        account.split_once(':').map(|(namespace, _)| namespace)
    }
}

/// Somebody who may read, and the credential to read with.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) owner: Arc<Owner>,
    pub(crate) credential: Credential,
    token: Option<Fingerprint>,
}

/// Why a request has no caller.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum UnknownCaller {
    /// No Authorization header, or one that is not a bearer token.
    #[error(
        "Porthole needs a ServiceAccount token of the cluster and reads with it. Send the header \"Authorization: Bearer <token>\"; in Dify: Tools > MCP > the server > Headers, name Authorization, value Bearer and the token. Make a token with: kubectl create token NAME -n NAMESPACE --duration=24h"
    )]
    Missing,
    /// The API server answered 401: expired, revoked, or made for another cluster.
    #[error(
        "the cluster does not accept this token: it has expired, was revoked, or belongs to another cluster. Make a new one (kubectl create token NAME -n NAMESPACE) and enter it in the client"
    )]
    Refused,
    /// Not the token of `--shared-token-file`.
    #[error("this is not the token that this Porthole was started with (--shared-token-file)")]
    WrongSharedToken,
    /// The API server did not answer in time; the same token may work later.
    #[error("whose token this is cannot be learnt now: {0}")]
    Unreachable(Failure),
}

/// Who may call, and as whom the cluster is then read.
pub(crate) enum Callers {
    /// Everybody with a token that the API server accepts; reads are made with that token.
    ByToken { cluster: Arc<Cluster>, remembered: Cache<Fingerprint, Arc<Owner>> },
    /// Everybody who gets here, or everybody with the shared token; reads are made as the host's own account.
    Host { caller: Caller, shared_token: Option<Fingerprint> },
}

impl Callers {
    /// Identity `caller`.
    pub(crate) fn by_token(cluster: Arc<Cluster>) -> Self {
        let remembered = Cache::builder().max_capacity(MOST_REMEMBERED).time_to_live(REMEMBERED).build();
        Self::ByToken { cluster, remembered }
    }

    /// Identity `host`.
    pub(crate) fn host(shared_token: Option<&str>) -> Self {
        let owner = Arc::new(Owner { username: "host".to_owned(), uid: String::new() });
        let caller = Caller { owner, credential: Credential::Connection, token: None };
        Self::Host { caller, shared_token: shared_token.map(|token| fingerprint(token.as_bytes())) }
    }

    /// Whether somebody without a token is nobody.
    pub(crate) fn want_a_token(&self) -> bool {
        !matches!(self, Self::Host { shared_token: None, .. })
    }

    /// The caller whose Authorization header this is.
    pub(crate) async fn of(&self, authorization: Option<&HeaderValue>) -> Result<Caller, UnknownCaller> {
        match self {
            Self::Host { caller, shared_token: None } => Ok(caller.clone()),
            Self::Host { caller, shared_token: Some(shared) } => {
                let token = fingerprint(bearer(authorization)?);
                if bool::from(token.ct_eq(shared)) {
                    Ok(caller.clone())
                } else {
                    Err(UnknownCaller::WrongSharedToken)
                }
            }
            Self::ByToken { cluster, remembered } => {
                let token = bearer(authorization)?;
                let fingerprint = fingerprint(token);
                let credential = Credential::Bearer(sensitive(token)?);
                let owner = remembered
                    .try_get_with(fingerprint, owner(cluster, &credential))
                    .await
                    .map_err(|unknown| UnknownCaller::clone(&unknown))?;
                Ok(Caller { owner, credential, token: Some(fingerprint) })
            }
        }
    }

    /// Forgets whose token it is that `caller` came with: the API server no longer accepts it.
    pub(crate) async fn forget(&self, caller: &Caller) {
        if let (Self::ByToken { remembered, .. }, Some(token)) = (self, &caller.token) {
            remembered.invalidate(token).await;
        }
    }
}

async fn owner(cluster: &Cluster, credential: &Credential) -> Result<Arc<Owner>, UnknownCaller> {
    let deadline = Instant::now().checked_add(REVIEW_TIME).unwrap_or_else(Instant::now);
    let allowance = Allowance::new(deadline, REVIEW_BYTES, usize::MAX);
    match who_am_i(&cluster.server, credential, &allowance).await {
        Ok(UserInfo { username, uid, .. }) => Ok(Arc::new(Owner { username, uid })),
        Err(failure) if failure.reason == Reason::Unauthorized => Err(UnknownCaller::Refused),
        Err(failure) => Err(UnknownCaller::Unreachable(failure)),
    }
}

fn fingerprint(token: &[u8]) -> Fingerprint {
    Sha256::digest(token).into()
}

/// The token of a `Bearer` header.
fn bearer(authorization: Option<&HeaderValue>) -> Result<&[u8], UnknownCaller> {
    let value = authorization.ok_or(UnknownCaller::Missing)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7).ok_or(UnknownCaller::Missing)?;
    let token = token.trim_ascii();
    if !scheme.eq_ignore_ascii_case(b"bearer ") || token.is_empty() || token.len() > LONGEST_TOKEN {
        return Err(UnknownCaller::Missing);
    }
    Ok(token)
}

/// The header to read with. hyper and tracing print a sensitive value as `Sensitive`.
fn sensitive(token: &[u8]) -> Result<HeaderValue, UnknownCaller> {
    let mut value =
        HeaderValue::from_bytes(&[b"Bearer ", token].concat()).map_err(|_| UnknownCaller::Missing)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    #[test]
    fn a_bearer_token_is_taken_out_of_its_header() {
        assert_eq!(bearer(Some(&header("Bearer abc"))).unwrap(), b"abc");
        assert_eq!(bearer(Some(&header("bearer  abc "))).unwrap(), b"abc");
        for refused in ["", "Bearer", "Bearer ", "Basic abc", "abc"] {
            assert!(bearer(Some(&header(refused))).is_err(), "{refused:?}");
        }
        assert!(bearer(None).is_err());
        assert!(bearer(Some(&header(&format!("Bearer {}", "x".repeat(20_000))))).is_err());
    }

    #[test]
    fn a_caller_does_not_print_its_token() {
        let credential = Credential::Bearer(sensitive(b"secret-token").unwrap());
        let owner = Arc::new(Owner { username: "u".into(), uid: "1".into() });
        let caller = Caller { owner, credential, token: None };
        assert!(!format!("{caller:?}").contains("secret-token"));
    }

    #[tokio::test]
    async fn the_shared_token_is_asked_for() {
        let callers = Callers::host(Some("s3cret"));
        assert!(callers.of(Some(&header("Bearer s3cret"))).await.is_ok());
        assert!(matches!(
            callers.of(Some(&header("Bearer s3cre"))).await,
            Err(UnknownCaller::WrongSharedToken)
        ));
        assert!(matches!(callers.of(None).await, Err(UnknownCaller::Missing)));
        assert!(Callers::host(None).of(None).await.is_ok());
    }
}
