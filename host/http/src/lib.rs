//! HTTP for the two ports: listening, TLS, allowed hosts, and the caller of a request.

mod bearer;
mod hosts;
mod listening;
mod token;

pub use bearer::{identify, peer, refusal};
pub use hosts::{AllowedHosts, check as check_host};
pub use listening::{Certificate, ListenError, Listening, listen, tls};
pub use token::{take_token, take_token_or_password};
