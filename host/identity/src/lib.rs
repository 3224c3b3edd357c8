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

/// Lifetime of a resolved token. A revoked token can list tools for at most this long; reads fail at once, because each
/// carries the token itself.
const CACHE_TTL: Duration = Duration::from_secs(60);
/// Lifetime of a rejection. The attack: a bad token sent in a loop, each time causing a review.
const REJECTED_TTL: Duration = Duration::from_secs(10);
/// Lifetime of a token's good record. Such tokens are reviewed even if their address has no attempts left; otherwise
/// one guesser behind a proxy would lock out every client behind it.
const KNOWN_GOOD_TTL: Duration = Duration::from_secs(3600);
/// Max entries of each token cache. The attack: a client with many tokens fills the memory.
const MAX_CACHED: u64 = 10_000;
/// Peer address of a request without a connection: over stdin, or in a test.
pub const NO_PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The account that owns sessions and quotas.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// User name of the account at the API server.
    pub username: String,
    uid: String,
}

impl Owner {
    /// Creates an owner from user name and uid.
    pub fn new(username: impl Into<String>, uid: impl Into<String>) -> Self {
        Self { username: username.into(), uid: uid.into() }
    }

    /// The namespace, if the account is a ServiceAccount.
    pub fn namespace(&self) -> Option<&str> {
        let account = self.username.strip_prefix("system:serviceaccount:")?;
        account.split_once(':').map(|(namespace, _)| namespace)
    }
}

/// An authenticated caller and its cluster credential. Only an [`Authenticator`] makes one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Caller {
    /// The account.
    pub owner: Arc<Owner>,
    /// Groups of the account at the API server, for the operator's policy; at most as old as the token's review.
    pub groups: Arc<[String]>,
    /// The credential to read with.
    pub credential: Credential,
    /// The fingerprint of its token; None if requests carry none (identity `host` without a shared one).
    pub fingerprint: Option<Fingerprint>,
    /// The token that its request carried, a shared one too: logs must not hold it.
    pub presented: Option<Token>,
}

/// Reason that a request could not be authenticated.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthError {
    /// No Authorization header, or one that is not a bearer token.
    #[error(
        "Porthole needs a ServiceAccount token of the cluster and reads with it. Send the header \"Authorization: Bearer <token>\"; in Dify: Tools > MCP > the server > Headers, name Authorization, value Bearer and the token. Make a token with: kubectl create token NAME -n NAMESPACE --duration=24h"
    )]
    Missing,
    /// The API server answered 401: expired, revoked, or made for another cluster.
    #[error(
        "the cluster does not accept this token: it has expired, was revoked, or belongs to another cluster. Make a new one (kubectl create token NAME -n NAMESPACE) and enter it in the client"
    )]
    Rejected,
    /// Not the token of `--shared-token-file`.
    #[error("this is not the token that this Porthole was started with (--shared-token-file)")]
    WrongSharedToken,
    /// The address has exhausted its attempts with rejected tokens.
    #[error(
        "too many tokens from this address were refused; a token that the cluster accepts is looked at again in {} s", attempts::REFILL.as_secs()
    )]
    TooManyAttempts,
    /// The API server did not answer in time. Retryable with the same token.
    #[error("whose token this is cannot be learnt now: {0}")]
    Unreachable(Failure),
}

/// Authenticates requests and chooses the credential for their reads.
pub struct Authenticator(Policy);

enum Policy {
    /// Accepts every token that the API server accepts; reads use that token.
    ByToken(Box<Reviews>),
    /// Accepts every request, or those with the shared token; reads use the host's own account.
    Host {
        /// The caller of every request.
        caller: Caller,
        /// The token that requests must carry, if any.
        shared_token: Option<Fingerprint>,
    },
}

/// Account that a token belongs to.
#[derive(Clone)]
struct Account {
    owner: Arc<Owner>,
    groups: Arc<[String]>,
}

/// Token reviews, cached.
struct Reviews {
    cluster: Arc<Cluster>,
    accounts: Cache<Fingerprint, Account>,
    rejected: Cache<Fingerprint, ()>,
    known_good: Cache<Fingerprint, ()>,
    attempts: Attempts,
}

impl Authenticator {
    /// Creates the authenticator for identity `caller`.
    pub fn by_token(cluster: Arc<Cluster>) -> Self {
        Self(Policy::ByToken(Box::new(Reviews {
            cluster,
            accounts: Cache::builder().max_capacity(MAX_CACHED).time_to_live(CACHE_TTL).build(),
            rejected: Cache::builder().max_capacity(MAX_CACHED).time_to_live(REJECTED_TTL).build(),
            known_good: Cache::builder().max_capacity(MAX_CACHED).time_to_live(KNOWN_GOOD_TTL).build(),
            attempts: Attempts::new(),
        })))
    }

    /// Creates the authenticator for identity `host`.
    pub fn host(shared_token: Option<&Token>) -> Self {
        let owner = Arc::new(Owner { username: "host".to_owned(), uid: String::new() });
        let shared_token = shared_token.map(Fingerprint::of);
        let fingerprint = shared_token.clone();
        let (groups, credential) = (Arc::default(), Credential::Connection);
        let caller = Caller { owner, groups, credential, fingerprint, presented: None };
        Self(Policy::Host { caller, shared_token })
    }

    /// True if requests must carry a token.
    pub fn requires_token(&self) -> bool {
        !matches!(self.0, Policy::Host { shared_token: None, .. })
    }

    /// Returns the fingerprint of a request's token without a review. `None` if requests need no token.
    ///
    /// # Errors
    ///
    /// If requests need a token and this one has none.
    pub fn fingerprint(&self, token: Option<&Token>) -> Result<Option<Fingerprint>, AuthError> {
        if !self.requires_token() {
            return Ok(None);
        }
        token.map(|token| Some(Fingerprint::of(token))).ok_or(AuthError::Missing)
    }

    /// Authenticates a request with this token from the address `peer`.
    ///
    /// # Errors
    ///
    /// If the token is missing, is rejected, or cannot be reviewed now.
    pub async fn authenticate(&self, token: Option<&Token>, peer: IpAddr) -> Result<Caller, AuthError> {
        match &self.0 {
            // Nothing asks for a token, and a client may send one all the same: the audit log must not repeat it.
            Policy::Host { caller, shared_token: None } => {
                Ok(Caller { presented: token.cloned(), ..caller.clone() })
            }
            Policy::Host { caller, shared_token: Some(shared) } => {
                let token = token.ok_or(AuthError::Missing)?;
                if !Fingerprint::of(token).matches(shared) {
                    return Err(AuthError::WrongSharedToken);
                }
                Ok(Caller { presented: Some(token.clone()), ..caller.clone() })
            }
            Policy::ByToken(reviews) => {
                let token = token.ok_or(AuthError::Missing)?;
                let fingerprint = Fingerprint::of(token);
                let credential = Credential::Token(token.clone());
                // Concurrent requests with one token share a review. An error is not cached here, which is what `rejected`
                // is for.
                let Account { owner, groups } = reviews
                    .accounts
                    .try_get_with(fingerprint.clone(), reviews.review(&fingerprint, &credential, peer))
                    .await
                    .map_err(|unknown| AuthError::clone(&unknown))?;
                Ok(Caller {
                    owner,
                    groups,
                    credential,
                    fingerprint: Some(fingerprint),
                    presented: Some(token.clone()),
                })
            }
        }
    }

    /// Drops the caller's cached identity, after the API server rejected its token.
    pub async fn forget(&self, caller: &Caller) {
        if let (Policy::ByToken(reviews), Some(token)) = (&self.0, &caller.fingerprint) {
            reviews.accounts.invalidate(token).await;
        }
    }
}

impl Reviews {
    /// Asks the API server for the token's owner, unless the token was rejected moments ago or the address is out of
    /// attempts.
    async fn review(
        &self,
        token: &Fingerprint,
        credential: &Credential,
        peer: IpAddr,
    ) -> Result<Account, AuthError> {
        if self.rejected.contains_key(token) {
            return Err(AuthError::Rejected);
        }
        let guess = !self.known_good.contains_key(token);
        if guess && !self.attempts.take_or_wait(peer).await {
            return Err(AuthError::TooManyAttempts);
        }
        let account = account(&self.cluster, credential).await;
        match &account {
            Ok(_) => self.known_good.insert(token.clone(), ()).await,
            Err(AuthError::Rejected) => {
                self.known_good.invalidate(token).await;
                self.rejected.insert(token.clone(), ()).await;
                return account;
            }
            // Unreachable: not the token's fault, so the attempt is returned.
            Err(_) => {}
        }
        if guess {
            self.attempts.give_back(peer).await;
        }
        account
    }
}

async fn account(cluster: &Cluster, credential: &Credential) -> Result<Account, AuthError> {
    let budget = ReadBudget::for_review();
    let client = Client { server: &cluster.server, credential, budget: &budget };
    match who_am_i(client).await {
        Ok(UserInfo { username, uid, groups, .. }) => {
            Ok(Account { owner: Arc::new(Owner { username, uid }), groups: groups.into() })
        }
        Err(failure) if failure.reason == Reason::Unauthorized => Err(AuthError::Rejected),
        Err(failure) => Err(AuthError::Unreachable(failure)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_does_not_print_its_token() {
        let credential = Credential::Token(Token::parse("secret-token").unwrap());
        let owner = Arc::new(Owner::new("u", "1"));
        let caller = Caller { owner, groups: Arc::default(), credential, fingerprint: None, presented: None };
        assert!(!format!("{caller:?}").contains("secret-token"));
    }

    #[test]
    fn a_fingerprint_is_of_the_token_and_asked_for_where_a_token_is() {
        let token = Token::parse("s3cret").unwrap();
        let fingerprint = Fingerprint::of(&token);
        assert_eq!(format!("{fingerprint:?}"), "Fingerprint(…)");
        let open = Authenticator::host(None);
        assert!(!open.requires_token() && open.fingerprint(Some(&token)).unwrap().is_none());
        let shared = Authenticator::host(Some(&token));
        assert!(shared.requires_token() && shared.fingerprint(Some(&token)).unwrap() == Some(fingerprint));
        assert!(matches!(shared.fingerprint(None), Err(AuthError::Missing)));
    }

    #[test]
    fn an_owner_has_the_namespace_of_its_service_account() {
        let account = Owner::new("system:serviceaccount:shop:reader", "1");
        assert_eq!((account.namespace(), Owner::new("jane", "2").namespace()), (Some("shop"), None));
    }

    #[tokio::test]
    async fn the_shared_token_is_asked_for() {
        let token = |text: &str| Token::parse(text).unwrap();
        let callers = Authenticator::host(Some(&token("s3cret")));
        let caller = callers.authenticate(Some(&token("s3cret")), NO_PEER).await.unwrap();
        assert_eq!(caller.presented.unwrap().expose(), "s3cret", "the audit log redacts it");
        assert!(matches!(
            callers.authenticate(Some(&token("s3cre")), NO_PEER).await,
            Err(AuthError::WrongSharedToken)
        ));
        assert!(matches!(callers.authenticate(None, NO_PEER).await, Err(AuthError::Missing)));
        assert!(Authenticator::host(None).authenticate(None, NO_PEER).await.is_ok());
        let caller = Authenticator::host(None).authenticate(Some(&token("s3cret")), NO_PEER).await.unwrap();
        assert_eq!(
            caller.presented.unwrap().expose(),
            "s3cret",
            "the audit log redacts what nobody asked for, too"
        );
    }
}
