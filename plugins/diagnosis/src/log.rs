//! Lines of a container's log.

/// A part of a container's log.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// True if it is that of the instance before the last restart.
    pub is_previous: bool,
    /// Its lines, the oldest first, each after its time in RFC 3339.
    pub text: String,
    /// Lines that were read to find these.
    pub lines_read: u64,
    /// True if it was searched for errors, and not read at its end.
    pub is_search: bool,
    /// What was not read of it; empty if it was read whole.
    pub unread: String,
}

impl Log {
    /// Time and text of each line.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.text.lines().map(|line| match line.split_once(' ') {
            Some((time, text)) if crate::time::parse(time).is_some() => (time, text),
            _ => ("", line),
        })
    }
}
