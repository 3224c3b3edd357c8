//! Field paths of Kubernetes objects, and conditions on the values at them. One grammar, for the host and for tools.
//!
//! A path names the fields from the root of an object: `metadata.name`, `spec.containers[].image`,
//! `metadata.labels['app.kubernetes.io/name']`. Arrays are transparent: a path continues in each element, and `[]` or
//! `[*]` may say so. A [`Filter`] is a list of conditions, all of which must hold:
//!
//! ```
//! use std::time::SystemTime;
//!
//! use porthole_field_path::{Filter, Path};
//!
//! let pod = serde_json::json!({"spec": {"containers": [{"image": "web:2"}]}, "status": {"phase": "Running"}});
//! let path: Path = "spec.containers[].image".parse()?;
//! assert_eq!(path.cell(&pod), "web:2");
//!
//! let filter: Filter = "status.phase=Running, spec.containers[].image ~ ^web:".parse()?;
//! assert!(filter.matches(&pod, SystemTime::now()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod condition;
mod echo;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod line;
mod path;
pub mod quantity;
mod split;
mod values;

pub use condition::{Condition, Filter, FilterError, MAX_CONDITIONS, MAX_FILTER, MAX_MATCHED, MAX_PATTERN};
pub use echo::{MAX_ECHO, cut, echo};
pub use line::one_line;
pub use path::{MAX_BYTES, MAX_DEPTH, Path, PathError};
pub use split::split;
pub use values::text;
