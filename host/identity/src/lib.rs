//! Caller identity: resolves bearer tokens to Kubernetes users by SelfSubjectReview, and caches the result briefly.

mod attempts;
mod fingerprint;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use moka::future::Cache;
use porthole_cluster::{Client, Cluster, ReadBudget, who_am_i};
use porthole_contract::{Credential, Failure, Reason, Token, UserInfo};

use attempts::Attempts;
pub use fingerprint::Fingerprint;

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
/// The peer of a request that came without a connection: over stdin, or in a test.
pub const NO_PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Whose sessions and limits these are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The user name that the API server gives the account.
    pub username: String,
    uid: String,
}

impl Owner {
    /// The owner of that user name and uid.
    pub fn new(username: impl Into<String>, uid: impl Into<String>) -> Self {
        Self { username: username.into(), uid: uid.into() }
    }

    /// The namespace of a ServiceAccount.
    pub fn namespace(&self) -> Option<&str> {
        let account = self.username.strip_prefix("system:serviceaccount:")?;
        account.split_once(':').map(|(namespace, _)| namespace)
    }
}

/// An authenticated caller and its cluster credential.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub owner: Arc<Owner>,
    /// The credential to read with.
    pub credential: Credential,
    /// The fingerprint of its token; None if requests carry none (identity `host` without a shared one).
    pub fingerprint: Option<Fingerprint>,
}

/// Why a request has no caller.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UnknownCaller {
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

/// Authenticates requests, and decides as whom the cluster is then read.
pub enum Authenticator {
    /// Everybody with a token that the API server accepts; reads are made with that token.
    ByToken(Box<Reviews>),
    /// Everybody who gets here, or everybody with the shared token; reads are made as the host's own account.
    Host {
        /// The caller that everybody is.
        caller: Caller,
        /// The token that requests must carry, if any.
        shared_token: Option<Fingerprint>,
    },
}

/// What the API server has said about tokens.
pub struct Reviews {
    cluster: Arc<Cluster>,
    remembered: Cache<Fingerprint, Arc<Owner>>,
    refused: Cache<Fingerprint, ()>,
    accepted_before: Cache<Fingerprint, ()>,
    attempts: Attempts,
}

impl Authenticator {
    /// Identity `caller`.
    pub fn by_token(cluster: Arc<Cluster>) -> Self {
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
    pub fn host(shared_token: Option<&Token>) -> Self {
        let owner = Arc::new(Owner { username: "host".to_owned(), uid: String::new() });
        let shared_token = shared_token.map(Fingerprint::of);
        let caller = Caller { owner, credential: Credential::Connection, fingerprint: shared_token.clone() };
        Self::Host { caller, shared_token }
    }

    /// Whether requests must carry a token.
    pub fn requires_token(&self) -> bool {
        !matches!(self, Self::Host { shared_token: None, .. })
    }

    /// Returns the fingerprint of a request's token, without asking whose it is. None if requests need no token.
    ///
    /// # Errors
    ///
    /// If requests need a token and this one has none.
    pub fn fingerprint(&self, token: Option<&Token>) -> Result<Option<Fingerprint>, UnknownCaller> {
        if !self.requires_token() {
            return Ok(None);
        }
        token.map(|token| Some(Fingerprint::of(token))).ok_or(UnknownCaller::Missing)
    }

    /// Authenticates a request that came from the address `peer` with this token.
    ///
    /// # Errors
    ///
    /// If the token is missing, is refused, or cannot be reviewed now.
    pub async fn authenticate(&self, token: Option<&Token>, peer: IpAddr) -> Result<Caller, UnknownCaller> {
        match self {
            Self::Host { caller, shared_token: None } => Ok(caller.clone()),
            Self::Host { caller, shared_token: Some(shared) } => {
                if Fingerprint::of(token.ok_or(UnknownCaller::Missing)?).is(shared) {
                    Ok(caller.clone())
                } else {
                    Err(UnknownCaller::WrongSharedToken)
                }
            }
            Self::ByToken(reviews) => {
                let token = token.ok_or(UnknownCaller::Missing)?;
                let fingerprint = Fingerprint::of(token);
                let credential = Credential::Token(token.clone());
                let owner = reviews
                    .remembered
                    .try_get_with(fingerprint.clone(), reviews.review(&fingerprint, &credential, peer))
                    .await
                    .map_err(|unknown| UnknownCaller::clone(&unknown))?;
                Ok(Caller { owner, credential, fingerprint: Some(fingerprint) })
            }
        }
    }

    /// Drops the caller's cached identity, after the API server rejected its token.
    pub async fn forget(&self, caller: &Caller) {
        if let (Self::ByToken(reviews), Some(token)) = (self, &caller.fingerprint) {
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
    let budget = ReadBudget::for_review();
    let client = Client { server: &cluster.server, credential, budget: &budget };
    match who_am_i(client).await {
        Ok(UserInfo { username, uid, .. }) => Ok(Arc::new(Owner { username, uid })),
        Err(failure) if failure.reason == Reason::Unauthorized => Err(UnknownCaller::Refused),
        Err(failure) => Err(UnknownCaller::Unreachable(failure)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_does_not_print_its_token() {
        let credential = Credential::Token(Token::parse("secret-token").unwrap());
        let owner = Arc::new(Owner::new("u", "1"));
        let caller = Caller { owner, credential, fingerprint: None };
        assert!(!format!("{caller:?}").contains("secret-token"));
    }

    #[tokio::test]
    async fn the_shared_token_is_asked_for() {
        let token = |text: &str| Token::parse(text).unwrap();
        let callers = Authenticator::host(Some(&token("s3cret")));
        assert!(callers.authenticate(Some(&token("s3cret")), NO_PEER).await.is_ok());
        assert!(matches!(
            callers.authenticate(Some(&token("s3cre")), NO_PEER).await,
            Err(UnknownCaller::WrongSharedToken)
        ));
        assert!(matches!(callers.authenticate(None, NO_PEER).await, Err(UnknownCaller::Missing)));
        assert!(Authenticator::host(None).authenticate(None, NO_PEER).await.is_ok());
    }
}
