//! Callers: whose token this is, learnt from the API server and remembered briefly.
//!
//! Knows: the API server's SelfSubjectReview. Does not know: MCP, tools, policy.

mod attempts;
mod token;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use http::HeaderValue;
use moka::future::Cache;
use tokio::time::Instant;

use crate::kube::{Allowance, Cluster, Credential, Failure, Reason, UserInfo, who_am_i};
use attempts::Attempts;
pub(crate) use token::Fingerprint;
use token::{bearer, sensitive};

/// How long a token's owner is remembered. Revoked tokens keep listing tools for this long at most; reads fail at
/// once, because each carries the token itself.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How long a token that the API server refused is refused without asking again. The attack: a bad token sent without
/// end, each time a review.
const REFUSED: Duration = Duration::from_secs(10);
/// How long a token is known to be no guess. Its reviews are made also from an address that has none left, or one
/// guesser behind a proxy would lock out everybody behind it.
const ACCEPTED_BEFORE: Duration = Duration::from_secs(3600);
/// Tokens remembered at one time, of each of these sorts: somebody with many tokens must not fill the memory.
const MOST_REMEMBERED: u64 = 10_000;
/// How long the API server may take to say whose token it is. Dify gives up on the whole connection after 30 s.
const REVIEW_TIME: Duration = Duration::from_secs(10);
const REVIEW_BYTES: u64 = 256 << 10;
/// The peer of a request that came without a connection: over stdin, or in a test.
pub(crate) const NO_PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Whose sessions and limits these are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) username: String,
    uid: String,
}

impl Owner {
    /// An account of that name.
    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self { username: name.to_owned(), uid: String::new() }
    }

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
    /// None if requests carry no token (identity `host` without a shared one).
    pub(crate) token: Option<Fingerprint>,
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
    /// The address of the request has sent too many tokens that the API server refused.
    #[error(
        "too many tokens from this address were refused; a token that the cluster accepts is looked at again in {} s", attempts::REFILL.as_secs()
    )]
    TooManyAttempts,
    /// The API server did not answer in time; the same token may work later.
    #[error("whose token this is cannot be learnt now: {0}")]
    Unreachable(Failure),
}

/// Who may call, and as whom the cluster is then read.
pub(crate) enum Callers {
    /// Everybody with a token that the API server accepts; reads are made with that token.
    ByToken(Box<Reviews>),
    /// Everybody who gets here, or everybody with the shared token; reads are made as the host's own account.
    Host { caller: Caller, shared_token: Option<Fingerprint> },
}

/// What the API server has said about tokens.
pub(crate) struct Reviews {
    cluster: Arc<Cluster>,
    remembered: Cache<Fingerprint, Arc<Owner>>,
    refused: Cache<Fingerprint, ()>,
    accepted_before: Cache<Fingerprint, ()>,
    attempts: Attempts,
}

impl Callers {
    /// Identity `caller`.
    pub(crate) fn by_token(cluster: Arc<Cluster>) -> Self {
        Self::ByToken(Box::new(Reviews {
            cluster,
            remembered: Cache::builder().max_capacity(MOST_REMEMBERED).time_to_live(REMEMBERED).build(),
            refused: Cache::builder().max_capacity(MOST_REMEMBERED).time_to_live(REFUSED).build(),
            accepted_before: Cache::builder()
                .max_capacity(MOST_REMEMBERED)
                .time_to_live(ACCEPTED_BEFORE)
                .build(),
            attempts: Attempts::new(),
        }))
    }

    /// Identity `host`.
    pub(crate) fn host(shared_token: Option<&str>) -> Self {
        let owner = Arc::new(Owner { username: "host".to_owned(), uid: String::new() });
        let shared_token = shared_token.map(|token| Fingerprint::of(token.as_bytes()));
        let caller = Caller { owner, credential: Credential::Connection, token: shared_token.clone() };
        Self::Host { caller, shared_token }
    }

    /// Whether requests must carry a token.
    pub(crate) fn want_a_token(&self) -> bool {
        !matches!(self, Self::Host { shared_token: None, .. })
    }

    /// Returns the fingerprint of the token in an Authorization header, without asking whose it is. None if requests
    /// need no token.
    pub(crate) fn fingerprint(
        &self,
        authorization: Option<&HeaderValue>,
    ) -> Result<Option<Fingerprint>, UnknownCaller> {
        if self.want_a_token() { Ok(Some(Fingerprint::of(bearer(authorization)?))) } else { Ok(None) }
    }

    /// Authenticates an Authorization header that came from the address `peer`.
    pub(crate) async fn of(
        &self,
        authorization: Option<&HeaderValue>,
        peer: IpAddr,
    ) -> Result<Caller, UnknownCaller> {
        match self {
            Self::Host { caller, shared_token: None } => Ok(caller.clone()),
            Self::Host { caller, shared_token: Some(shared) } => {
                if Fingerprint::of(bearer(authorization)?).is(shared) {
                    Ok(caller.clone())
                } else {
                    Err(UnknownCaller::WrongSharedToken)
                }
            }
            Self::ByToken(reviews) => {
                let token = bearer(authorization)?;
                let fingerprint = Fingerprint::of(token);
                let credential = Credential::Bearer(sensitive(token)?);
                let owner = reviews
                    .remembered
                    .try_get_with(fingerprint.clone(), reviews.review(&fingerprint, &credential, peer))
                    .await
                    .map_err(|unknown| UnknownCaller::clone(&unknown))?;
                Ok(Caller { owner, credential, token: Some(fingerprint) })
            }
        }
    }

    /// Forgets whose token it is that `caller` came with: the API server no longer accepts it.
    pub(crate) async fn forget(&self, caller: &Caller) {
        if let (Self::ByToken(reviews), Some(token)) = (self, &caller.token) {
            reviews.remembered.invalidate(token).await;
        }
    }
}

impl Reviews {
    /// Asks the API server whose token it is, unless it has refused it just now or the address has guessed too often.
    async fn review(
        &self,
        token: &Fingerprint,
        credential: &Credential,
        peer: IpAddr,
    ) -> Result<Arc<Owner>, UnknownCaller> {
        if self.refused.contains_key(token) {
            return Err(UnknownCaller::Refused);
        }
        let guess = !self.accepted_before.contains_key(token);
        if guess && !self.attempts.take_soon(peer).await {
            return Err(UnknownCaller::TooManyAttempts);
        }
        let owner = owner(&self.cluster, credential).await;
        match &owner {
            Ok(_) => self.accepted_before.insert(token.clone(), ()).await,
            Err(UnknownCaller::Refused) => {
                self.accepted_before.invalidate(token).await;
                self.refused.insert(token.clone(), ()).await;
                return owner;
            }
            // Not the fault of the token.
            Err(_) => {}
        }
        if guess {
            self.attempts.give_back(peer).await;
        }
        owner
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

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
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
        assert!(callers.of(Some(&header("Bearer s3cret")), NO_PEER).await.is_ok());
        assert!(matches!(
            callers.of(Some(&header("Bearer s3cre")), NO_PEER).await,
            Err(UnknownCaller::WrongSharedToken)
        ));
        assert!(matches!(callers.of(None, NO_PEER).await, Err(UnknownCaller::Missing)));
        assert!(Callers::host(None).of(None, NO_PEER).await.is_ok());
    }
}
