//! Conditions on the simulated objects, and the same said in Rust.

use proptest::{prelude::*, sample::select};

use crate::server::Object;

/// The conditions of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    All,
    Running,
    NotRunning,
    Few,
    Late,
    None,
}

impl Choice {
    pub(crate) fn filter(self) -> Option<&'static str> {
        Some(match self {
            Self::All => return None,
            Self::Running => "status=Running",
            Self::NotRunning => "status != Running, metadata.name exists",
            Self::Few => "status~^Crash, time<4",
            Self::Late => "time > 12",
            Self::None => "status=Gone",
        })
    }

    pub(crate) fn has(self, object: &Object) -> bool {
        match self {
            Self::All => true,
            Self::Running => object.status == "Running",
            Self::NotRunning => object.status != "Running",
            Self::Few => object.status == "CrashLoopBackOff" && object.time < 4,
            Self::Late => object.time > 12,
            Self::None => false,
        }
    }
}

pub(crate) fn choice() -> impl Strategy<Value = Choice> {
    const CHOSEN: &[Choice] = &[Choice::Running, Choice::NotRunning, Choice::Few, Choice::Late, Choice::None];
    prop_oneof![2 => Just(Choice::All), 3 => select(CHOSEN)]
}
