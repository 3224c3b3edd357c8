//! Calls that do not reach a tool: malformed, cancelled or refused on their way. The audit log tells of them, too.

use std::time::Duration;

use super::{Plugins, call::Spent, figures::Recent};
use crate::{
    guard::{AuditLine, Redactor},
    identity::Caller,
};

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
        let line = AuditLine::unserved(&caller.owner.username, client.as_deref(), &tool, verdict);
        self.audit.write(&line, None);
        let known = self.now().tools.contains_key(line.tool);
        self.figures.ended(known, Recent::of(&line, Duration::ZERO), &[], &Spent::default());
    }
}
