//! Stacks as `perf script` prints them.

/// A function on a stack, and the file that its code is mapped from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) function: String,
    pub(crate) file: String,
}

impl Frame {
    pub(crate) fn is_of_the_kernel(&self) -> bool {
        self.file == "[kernel.kallsyms]"
    }
}

/// One sample, from the innermost frame outwards.
pub(crate) type Stack = Vec<Frame>;

/// Parses the output of `perf script -F comm,ip,sym,dso`. Lines of another form are skipped.
pub(crate) fn parse(text: &str) -> Vec<Stack> {
    let samples = text.split("\n\n").map(|sample| sample.lines().filter_map(frame).collect());
    samples.filter(|stack: &Stack| !stack.is_empty()).collect()
}

/// A line `   1f1c728 tokio::runtime::…::run_task (/path/of/porthole)`.
fn frame(line: &str) -> Option<Frame> {
    if !line.starts_with([' ', '\t']) {
        return None;
    }
    let (_, rest) = line.trim().split_once(' ')?;
    let (function, file) = rest.rsplit_once(" (")?;
    Some(Frame { function: function.to_owned(), file: file.strip_suffix(')')?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_stack_and_a_name_may_have_spaces_and_parentheses() {
        let text = "tokio-rt-worker \n\
            \tffffffff8202 tcp_ack ([kernel.kallsyms])\n\
            \t  f76695 <T as std::io::Write>::write (a, b) (/bin/porthole)\n\
            \nepochs \n\
            \t 891f4 start_thread (/usr/lib/libc.so.6)\n\n";
        let frame = |function: &str, file: &str| Frame { function: function.into(), file: file.into() };
        assert_eq!(
            parse(text),
            [
                vec![
                    frame("tcp_ack", "[kernel.kallsyms]"),
                    frame("<T as std::io::Write>::write (a, b)", "/bin/porthole")
                ],
                vec![frame("start_thread", "/usr/lib/libc.so.6")],
            ]
        );
        assert_eq!(parse("a line\n\nanother"), Vec::<Stack>::new());
    }
}
