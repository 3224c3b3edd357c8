//! Subcommands of `porthole`.

pub(crate) mod config;
pub(crate) mod plugin;
pub(crate) mod policy;
pub(crate) mod rbac;
pub(crate) mod serve;
