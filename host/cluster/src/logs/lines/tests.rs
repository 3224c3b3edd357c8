use super::{
    super::patterns::{Case, compile},
    *,
};

fn run(query: &LogQuery, limit: usize, log: &[u8], piece: usize) -> (String, u64, bool, bool) {
    let pattern = query.pattern.as_deref().map(|pattern| Arc::new(compile(pattern, Case::Minded).unwrap()));
    let mut lines = Lines::new(query, pattern, Masking::Off, limit);
    let full =
        log.chunks(piece).any(|chunk| lines.feed(chunk, &mut 0, TimeSlice::unlimited()) == FeedStatus::Full);
    if lines.within_line() {
        lines.end_line();
    }
    let (text, read, overflowed) = lines.finish();
    (text, read, overflowed, full)
}

fn grep(pattern: &str) -> LogQuery {
    LogQuery { pattern: Some(pattern.into()), ..LogQuery::default() }
}

#[test]
fn lines_are_the_same_however_the_bytes_arrive() {
    let log = "one\ntwo\n\nthree".as_bytes();
    for piece in [1, 2, 5, 100] {
        assert_eq!(
            run(&LogQuery::default(), 100, log, piece),
            ("one\ntwo\n\nthree\n".into(), 4, false, false)
        );
    }
}

#[test]
fn grep_keeps_matches_with_their_context() {
    let log: String = (1..=20).map(|n| format!("line {n}\n")).collect();
    let query = LogQuery { context_lines: 1, ..grep("line (5|6|15)$") };
    let (text, read, ..) = run(&query, 1000, log.as_bytes(), 7);
    assert_eq!(text, "line 4\nline 5\nline 6\nline 7\n--\nline 14\nline 15\nline 16\n");
    assert_eq!(read, 20);
    let query = LogQuery { invert: true, ..grep("[02468]$") };
    assert!(run(&query, 1000, log.as_bytes(), 64).0.starts_with("line 1\nline 3\n"));
}

#[test]
fn equal_lines_fold_also_where_their_times_differ() {
    let log = b"t1 a\nt2 a\nt3 a\nt4 b\n";
    let query = LogQuery { fold: true, timestamps: true, ..LogQuery::default() };
    assert_eq!(run(&query, 1000, log, 3).0, "t1 a\n… 3 times\nt4 b\n");
    let query = LogQuery { fold: true, ..LogQuery::default() };
    assert_eq!(run(&query, 1000, log, 3).0, "t1 a\nt2 a\nt3 a\nt4 b\n");
}

#[test]
fn reading_stops_at_the_limit() {
    let (text, _, overflowed, full) = run(&LogQuery::default(), 10, "abcdefg\nhijklmn\nmore\n".as_bytes(), 4);
    assert_eq!((text.as_str(), overflowed, full), ("abcdefg\nhi", true, true));
}

#[test]
fn an_endless_line_is_neither_kept_nor_waited_for() {
    let log = vec![b'x'; 1_000_000];
    let (text, _, overflowed, full) = run(&LogQuery::default(), 50, &log, 1000);
    assert_eq!((text.len(), overflowed, full), (50, true, true));
    let mut lines = Lines::new(
        &grep("nothing"),
        Some(Arc::new(compile("nothing", Case::Minded).unwrap())),
        Masking::Off,
        50,
    );
    for chunk in log.chunks(1000) {
        assert_eq!(lines.feed(chunk, &mut 0, TimeSlice::unlimited()), FeedStatus::NeedsMore);
        assert!(lines.line.len() <= MAX_SEARCHED);
    }
}

#[test]
fn a_line_is_searched_in_its_beginning_and_the_answer_says_so() {
    let log = [vec![b'x'; MAX_SEARCHED], b"needle\n".to_vec()].concat();
    let (text, _, overflowed, _) = run(&grep("needle"), 1 << 20, &log, 5000);
    assert_eq!((text.as_str(), overflowed), ("", true));
    let (text, ..) = run(&grep("(x+)+$"), 1 << 20, &log, 5000);
    assert_eq!(text, "", "the end of the search is not the end of the line");
    assert_eq!(run(&grep("x.*"), 1 << 20, &log, 5000).0.len(), log.len());
    // Pattern and lines of an attack that took 68 s for one log.
    let line: Vec<u8> =
        (0..250_000).map(|n| if n * 7 % 5 < 3 { b'a' } else { b'b' }).chain([b'\n']).collect();
    let began = std::time::Instant::now();
    run(&grep("a[ab]{850}$|zz"), 1 << 20, &line.repeat(4), 1 << 16);
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
}

fn masked(query: &LogQuery, limit: usize, log: &[u8], piece: usize) -> (String, bool) {
    let pattern = query.pattern.as_deref().map(|pattern| Arc::new(compile(pattern, Case::Minded).unwrap()));
    let mut lines = Lines::new(query, pattern, Masking::Mask, limit);
    let full =
        log.chunks(piece).any(|chunk| lines.feed(chunk, &mut 0, TimeSlice::unlimited()) == FeedStatus::Full);
    if !full && lines.within_line() {
        lines.end_line();
    }
    let (text, _, overflowed) = lines.finish();
    (text, overflowed || full)
}

#[test]
fn a_search_and_folding_see_the_masked_line_however_the_bytes_arrive() {
    let log = b"a password=hunter2 b\na password=hunter3 b\nready\n";
    let line = "a password=<masked: password> b\n";
    for piece in [1, 7, 100] {
        assert_eq!(masked(&grep("hunter2"), 1 << 10, log, piece).0, "");
        assert_eq!(masked(&grep("masked: pass"), 1 << 10, log, piece).0, line.repeat(2));
        let query = LogQuery { fold: true, ..LogQuery::default() };
        assert_eq!(masked(&query, 1 << 10, log, piece).0, format!("{line}… 2 times\nready\n"));
        let inverted = LogQuery { invert: true, ..grep("hunter2") };
        assert_eq!(masked(&inverted, 1 << 10, log, piece).0, format!("{}ready\n", line.repeat(2)));
    }
}

#[test]
fn no_limit_cuts_a_secret_into_one_that_no_rule_knows() {
    let secret = format!("ghp_{}", "Zq7Z".repeat(10));
    for pattern in [None, Some("here".to_owned())] {
        let query = LogQuery { pattern, ..LogQuery::default() };
        for log in [format!("here {secret} and {}\n", "x".repeat(9000)), format!("here {secret}")] {
            for limit in 0..60 {
                let (text, cut) = masked(&query, limit, log.as_bytes(), 13);
                assert!(!text.contains("Zq7") && text.len() <= limit, "{limit}: {text}");
                assert!(cut || limit > 27, "{limit}: {text}");
            }
        }
    }
    // Behind what is searched of a line it is masked as well.
    let log = format!("here {} {secret}\n", "x".repeat(2 * MAX_SEARCHED));
    let (text, _) = masked(&grep("here"), 1 << 20, log.as_bytes(), 5000);
    assert!(text.ends_with("x <masked: github token>\n"), "{}", text.len());
}

#[test]
fn masks_before_a_cut_move_no_half_of_a_secret_up() {
    let jwt = format!("eyJhbGciOiJSUzI1NiJ9.eyJ{0}.{0}", "Zq8Z".repeat(400));
    for length in 0..200 {
        let log = format!("{jwt} {} ghp_{}\n", "x".repeat(length), "Zq7Z".repeat(100));
        let (text, cut) = masked(&LogQuery::default(), 2300, log.as_bytes(), 100);
        assert!(!text.contains("Zq7") && (cut || log.len() < 3324), "{length}: {text}");
    }
}

#[test]
fn half_a_line_of_a_log_that_broke_off_is_left_out() {
    let mut lines = Lines::new(&LogQuery::default(), None, Masking::Mask, 100);
    lines.feed(b"one\nghp_Zq7", &mut 0, TimeSlice::unlimited());
    assert_eq!(lines.finish().0, "one\n");
}

#[test]
fn a_search_gives_way_between_lines() {
    let mut lines =
        Lines::new(&grep("x"), Some(Arc::new(compile("x", Case::Minded).unwrap())), Masking::Off, 1 << 20);
    let (log, mut at) = (b"x\nx\nx\n", 0);
    assert_eq!(lines.feed(log, &mut at, TimeSlice::over()), FeedStatus::SliceOver);
    assert_eq!(at, 2);
    assert_eq!(lines.feed(log, &mut at, TimeSlice::unlimited()), FeedStatus::NeedsMore);
    assert_eq!(lines.finish().0, "x\nx\nx\n");
}

#[test]
fn a_cut_character_is_left_out() {
    assert_eq!(run(&LogQuery::default(), 4, "aéééé".as_bytes(), 100).0, "aé");
}
