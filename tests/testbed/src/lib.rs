//! Testbed: what tests and benchmarks run against, a real Kubernetes API server on loopback, and what they drive the host
//! with: accounts, emulations of third-party clients, components.
//!
//! On loopback two parts of Kubernetes are emulated: the kubelet, which serves logs from files, and metrics-server, whose
//! API is a pair of custom resources. A [`node`] is the whole of it, where the machine permits one.
#![allow(missing_docs, reason = "a crate of tests: its readers read the tests")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop with a panic"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to developers")]

pub mod accounts;
pub mod binaries;
pub mod bystander;
pub mod cage;
pub mod cases;
pub mod cluster;
pub mod component;
pub mod dify;
pub mod faults;
pub mod fixtures;
pub mod hostile_api;
pub mod http;
pub mod node;
pub mod pki;
pub mod porthole;
pub mod prepared;
pub mod proxy;
pub mod registry;
pub mod verdict;
pub mod versions;
pub mod workloads;
