//! Calls that do not reach a tool: malformed, cancelled or refused on their way. The audit log tells of them, too.

use std::time::{Duration, SystemTime};

use serde_json::Map;

use super::{Plugins, call::Spent, figures::Recent};
use crate::{
    foreign::cut,
    guard::{AuditLine, Redactor},
    identity::Caller,
};

/// Bytes of the name of a tool that are kept.
const MAX_NAME: usize = 64;

impl Plugins {
    /// Records a call that is not served: `malformed`, `cancelled` before it began, or `busy`.
    pub(crate) fn record_unserved(
        &self,
        caller: &Caller,
        client: Option<String>,
        tool: &str,
        verdict: &'static str,
    ) {
        let redactor = Redactor::new(&caller.credential);
        let (tool, client) = (redactor.text(tool), client.map(|client| redactor.text(&client)));
        let tool = cut(&tool, MAX_NAME);
        let line = AuditLine {
            caller: &caller.owner.username,
            client: client.as_deref(),
            tool,
            version: None,
            digest: None,
            arguments: Map::new(),
            verdict,
            reads: Vec::new(),
            read_bytes: 0,
            bytes_out: 0,
            ms: 0,
            cpu_us: 0,
            memory: 0,
        };
        self.audit.write(&line, None);
        let recent = Recent {
            at: SystemTime::now(),
            caller: caller.owner.username.clone(),
            client: client.unwrap_or_default(),
            tool: tool.to_owned(),
            arguments: "{}".to_owned(),
            verdict,
            took: Duration::ZERO,
            bytes: 0,
        };
        let known = self.now().tools.contains_key(tool);
        self.figures.ended(known, recent, &[], &Spent::default());
    }
}
