//! HTTP for the two ports: listeners, TLS, allowed hosts, and authentication.

mod bearer;
mod certificate;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod hosts;
mod listening;
mod token;

pub use bearer::{identify, peer, refusal};
pub use certificate::{Certificate, tls};
pub use hosts::{AllowedHosts, check as check_host};
pub use listening::{BoundServer, ListenError, listen};
pub use token::{extract_token, extract_token_or_password};
