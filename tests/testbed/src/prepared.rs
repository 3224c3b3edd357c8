//! Paths that `cargo xtask test` prepares, in environment variables.

use std::path::PathBuf;

/// Path in a variable.
///
/// # Panics
///
/// If the variable is not set, because the test was not run by `cargo xtask test`.
pub fn path(variable: &str) -> PathBuf {
    let Some(path) = std::env::var_os(variable) else {
        panic!("{variable} is not set; these tests run by: cargo xtask test");
    };
    path.into()
}
