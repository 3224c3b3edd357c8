//! The meaning of a process's end: its exit code, and its last words.

use crate::containers::End;

/// The meaning of an exit code that says more than an error.
pub(crate) fn meaning(code: i64) -> &'static str {
    match code {
        0 => " (success), although it should go on",
        126 => " (not executable)",
        127 => " (command not found)",
        132 => " (SIGILL)",
        134 => " (SIGABRT)",
        137 => " (SIGKILL)",
        139 => " (SIGSEGV)",
        143 => " (SIGTERM)",
        _ => "",
    }
}

/// The meaning of its last words, and the next step.
pub(crate) fn clue(end: &End<'_>, words: &str) -> (&'static str, &'static str) {
    let words = words.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if has(&["exec format error"]) {
        (
            "; its log says: exec format error (built for another architecture than the node's)",
            "use an image for the node's architecture (label kubernetes.io/arch)",
        )
    } else if has(&["line 1: \u{7f}elf", "line 1: elf", "line 1:  elf"]) {
        // The shell's last resort, if the kernel refuses a file.
        (
            "; the shell read a binary as a script (perhaps built for another architecture than the node's)",
            "use an image for the node's architecture (label kubernetes.io/arch)",
        )
    } else if has(&["read-only file system"]) {
        (
            "; its log says: read-only file system",
            "mount an emptyDir where it writes, or set readOnlyRootFilesystem to false",
        )
    } else if has(&["no space left on device"]) {
        ("; its log says: no space left on device", "see which volume or disk is full")
    } else if has(&["permission denied", "operation not permitted", "eacces"]) {
        (
            "; its log says: permission denied",
            "compare runAsUser and fsGroup with the owner of the file that the log names",
        )
    } else if has(&["address already in use"]) {
        (
            "; its log says: address already in use",
            "look for two containers of the pod, or two pods with hostNetwork, on one port",
        )
    } else if has(&[
        "no such host",
        "name or service not known",
        "could not translate host",
        "enotfound",
        "unknownhost",
        "temporary failure in name resolution",
        "bad address '",
    ]) {
        (
            "; its log says: the name of a host cannot be resolved",
            "correct the name of the host, or make the Service that it names",
        )
    } else if is_about_a_host(&words) {
        ("; its log says: a host cannot be reached", "see whether what it connects to runs")
    } else if end.code == 0 {
        ("", "let the process go on in the foreground, or use a Job for work that ends")
    } else if end.code == 127 || has(&["command not found"]) {
        ("", "correct the command; the image may lack it")
    } else {
        ("", "correct what its last words name; pods_log shows more")
    }
}

/// True if last words speak of a host that does not answer or has no address.
pub(crate) fn is_about_a_host(words: &str) -> bool {
    let words = words.to_lowercase();
    [
        "connection refused",
        "econnrefused",
        "no such host",
        "i/o timeout",
        "timed out",
        "no route to host",
        "name or service not known",
        "could not translate host",
        "enotfound",
        "unknownhost",
        "unreachable",
        "temporary failure in name resolution",
        "bad address '",
        "no response",
    ]
    .iter()
    .any(|part| words.contains(part))
}

#[cfg(test)]
mod tests {
    use super::{clue, is_about_a_host, meaning};
    use crate::containers::End;

    #[test]
    fn a_binary_that_the_shell_reads_as_a_script_is_no_missing_command() {
        let end =
            End { reason: "Error", message: "", code: 127, started: None, finished: None, is_current: true };
        let (words, _) = clue(&end, "/tmp/b: line 1: \u{7f}ELF\u{2}\u{1}\u{1}: not found");
        assert!(words.contains("another architecture"), "{words}");
        let (words, _) = clue(&end, "/bin/sh: line 1: wgett: not found");
        assert!(words.is_empty(), "{words}");
    }

    #[test]
    fn a_code_that_says_more_than_an_error_is_explained() {
        for (code, expected) in [
            (0, "success"),
            (126, "not executable"),
            (127, "command not found"),
            (132, "SIGILL"),
            (134, "SIGABRT"),
            (137, "SIGKILL"),
            (139, "SIGSEGV"),
            (143, "SIGTERM"),
        ] {
            assert!(meaning(code).contains(expected), "{code}");
        }
        assert_eq!((meaning(1), meaning(2), meaning(128)), ("", "", ""));
    }

    #[test]
    fn last_words_have_their_meaning_and_a_next_step() {
        let ended = |code| End {
            reason: "Error",
            message: "",
            code,
            started: None,
            finished: None,
            is_current: true,
        };
        for (words, meaning, step) in [
            (
                "standard_init_linux.go:228: exec user process caused: exec format error",
                "another architecture",
                "image",
            ),
            ("open /data/x: Read-only file system", "read-only file system", "emptyDir"),
            ("write /tmp/x: no space left on device", "no space left", "full"),
            ("open /data/x: permission denied", "permission denied", "fsGroup"),
            ("chown: Operation not permitted", "permission denied", "fsGroup"),
            ("EACCES: open '/data'", "permission denied", "fsGroup"),
            ("listen tcp :80: bind: address already in use", "already in use", "one port"),
            ("dial tcp: lookup db: no such host", "cannot be resolved", "Service"),
            ("wget: bad address 'db'", "cannot be resolved", "Service"),
            ("getaddrinfo ENOTFOUND db", "cannot be resolved", "Service"),
            ("connect: connection refused", "cannot be reached", "connects to"),
            ("sh: foo: command not found", "", "the image may lack it"),
            ("panic: nil", "", "last words"),
        ] {
            let (clue, next) = clue(&ended(1), words);
            assert!(clue.contains(meaning) && clue.is_empty() == meaning.is_empty(), "{words}: {clue}");
            assert!(next.contains(step), "{words}: {next}");
        }
        assert!(clue(&ended(0), "bye").1.contains("foreground"));
        assert!(clue(&ended(127), "").1.contains("correct the command"));
        assert!(is_about_a_host("dial tcp 10.0.0.1:5432: i/o timeout") && !is_about_a_host("panic: nil"));
    }
}
