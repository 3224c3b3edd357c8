//! Shared parts of the tools on metrics.

use crate::{
    Argument, Arguments, Error, Table, call,
    kube_read::{ListQuery, ReadError, Reason},
};

/// Kept of the answer for the line on what was left out, and a total.
const NOTICE: usize = 256;

/// The arguments of the tools on metrics.
#[derive(Arguments, Debug, Clone)]
pub struct TopArguments {
    /// e.g. app=web,tier!=test
    pub label_selector: Option<String>,
    /// e.g. metadata.name=web
    pub field_selector: Option<String>,
    /// Highest first
    #[argument(default = Resource::Cpu)]
    pub sort_by: Resource,
    /// Rows at most
    pub limit: Option<u32>,
}

/// A resource that metrics tell the use of.
#[derive(Argument, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Cores.
    Cpu,
    /// Bytes.
    #[argument(alias = "mem")]
    Memory,
}

impl TopArguments {
    /// Narrows a query to what the selectors and a name select.
    pub fn narrow(&self, query: ListQuery, name: Option<&str>) -> ListQuery {
        let named = name.map(|name| format!("metadata.name={name}"));
        let fields: Vec<String> = named.into_iter().chain(self.field_selector.clone()).collect();
        ListQuery {
            label_selector: self.label_selector.clone(),
            field_selector: (!fields.is_empty()).then(|| fields.join(",")),
            ..query
        }
    }

    /// The rows under a header as text, the highest first, and a line on those that are left out. A row comes with its use
    /// of CPU and of memory.
    pub fn table<S: Into<String>>(
        &self,
        header: impl IntoIterator<Item = S>,
        mut rows: Vec<(f64, f64, Vec<String>)>,
        noun: &str,
        narrow: &str,
    ) -> String {
        let of = |(cpu, memory, _): &(f64, f64, Vec<String>)| match self.sort_by {
            Resource::Cpu => *cpu,
            Resource::Memory => *memory,
        };
        rows.sort_by(|a, b| of(b).total_cmp(&of(a)));
        let all = rows.len();
        rows.truncate(self.limit.filter(|limit| *limit > 0).map_or(usize::MAX, |limit| limit as usize));
        let mut table = Table::new(header);
        for (_, _, cells) in rows {
            table.row(cells);
        }
        let (mut text, shown) = table.fit((call::output_budget() as usize).saturating_sub(NOTICE));
        if shown < all {
            let highest = match self.sort_by {
                Resource::Cpu => "CPU",
                Resource::Memory => "memory",
            };
            let notice = format!(
                "{shown} {noun} with the highest {highest} shown of {all}; narrow it with {narrow}\n"
            );
            text.push_str(&notice);
        }
        text
    }
}

/// The error of a read of `metrics.k8s.io`: where the API is missing, what to do about it.
pub fn metrics_error(error: ReadError) -> Error {
    match error.reason {
        Reason::UnknownKind | Reason::Unsupported => Error::Read(ReadError {
            message: "the metrics API is not available: metrics-server is not installed in this cluster, or is not ready. Ask the cluster's owner for it.".to_owned(),
            retry_after_seconds: None,
            ..error
        }),
        _ => Error::Read(error),
    }
}
