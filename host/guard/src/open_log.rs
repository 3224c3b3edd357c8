//! Logs that a call has open.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use porthole_cluster::LogReader;
use porthole_contract::{Failure, Reason};

/// Max open logs of one call: each has a connection, and memory for its lines.
const MAX_OPEN: u32 = 8;

/// Number of a call's open logs.
#[derive(Debug, Default)]
pub(super) struct OpenLogs(Arc<AtomicU32>);

impl OpenLogs {
    /// Takes one of the places.
    pub(super) fn enter(&self) -> Result<Place, Failure> {
        let entered = self
            .0
            .fetch_update(Relaxed, Relaxed, |open| open.checked_add(1).filter(|open| *open <= MAX_OPEN));
        match entered {
            Ok(_) => Ok(Place(Arc::clone(&self.0))),
            Err(_) => Err(Failure::new(
                Reason::Invalid,
                format!("at most {MAX_OPEN} logs are open at once; drop one before opening another"),
            )),
        }
    }
}

/// Place of an open log, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicU32>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A log that is read piece by piece, by the call that opened it.
pub struct OpenLog {
    pub(super) reader: LogReader,
    pub(super) namespace: String,
    pub(super) _place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_when_a_log_is_dropped() {
        let open = OpenLogs::default();
        let mut places: Vec<Place> = (0..MAX_OPEN).map(|_| open.enter().unwrap()).collect();
        assert_eq!(open.enter().unwrap_err().reason, Reason::Invalid);
        places.pop();
        assert!(open.enter().is_ok());
    }
}
