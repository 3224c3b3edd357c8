//! Shared vocabulary of the host: plain types of the contract in `wit/`, parsed, without I/O.
//!
//! Every other crate of the host may depend on this one; it depends on none of them.

mod answer;
mod component;
mod failure;
mod foreign;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod limits;
mod names;
mod note;
mod outcome;
mod query;
mod requirement;
mod rule;
mod suggest;
mod token;
mod words;

pub use answer::{
    AccessDecision, Change, ChangesPage, Cut, Kind, LogChunk, LogEnd, LogMatches, LogText, Page, Release,
    ResourceName, UserInfo,
};
pub use component::{Digest, ToolName, Version};
pub use failure::{Failure, Reason};
pub use foreign::{Echo, MAX_ECHO, Printable, PrintableLines, controls_display, truncate};
pub use limits::{CallLimits, FINISH_MARGIN, HostLimits};
pub use names::{MAX_NAME, is_kind, is_label, is_subdomain};
pub use note::{LogLevel, Note, Progress};
pub use outcome::{Content, Embedded, Media, Outcome};
pub use query::{
    AccessQuery, ChangesQuery, GetQuery, KindRef, ListQuery, LogQuery, LogSearch, LogSource, NodeQuery,
    NodeSource, View,
};
pub use requirement::Requirement;
pub use rule::{MAX_READ_RULES, MAX_RULE_BYTES, ReadRule, Verb, check_declaration_size, describe_rules};
pub use suggest::{nearest, similarity};
pub use token::{Credential, InvalidToken, Token};
pub use words::{plain_name, words_of_name};
