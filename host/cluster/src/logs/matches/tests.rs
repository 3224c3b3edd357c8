use super::{
    super::patterns::{Case, compile},
    *,
};

fn search(query: &LogSearch, log: &[u8], piece: usize) -> LogMatches {
    let pattern =
        |text: &Option<String>| text.as_deref().map(|text| Arc::new(compile(text, Case::Ignored).unwrap()));
    let patterns = SearchPatterns { include: pattern(&query.include), exclude: pattern(&query.exclude) };
    let until = query.until_time.as_deref().map(|time| Moment::parse(time).unwrap());
    let limit = query.limit_bytes.map_or(1 << 20, |limit| limit as usize);
    let mut matches = Matches::new(query, patterns, until, Masking::Mask, limit);
    let full = log
        .chunks(piece)
        .any(|chunk| matches.feed(chunk, &mut 0, TimeSlice::unlimited()) == FeedStatus::Full);
    if !full {
        matches.end_line();
    }
    matches.finish(if full { LogEnd::UntilTime } else { LogEnd::Whole })
}

fn query(include: &str) -> LogSearch {
    LogSearch { include: Some(include.to_owned()), first: 2, last: 2, ..LogSearch::default() }
}

/// Lines with the kubelet's timestamps, a second apart.
fn stamped(lines: impl Iterator<Item = String>) -> String {
    lines.zip(0..).map(|(line, n)| format!("2026-11-24T10:{:02}:{:02}.5Z {line}\n", n / 60, n % 60)).collect()
}

#[test]
fn matches_are_counted_and_their_times_told_wherever_they_are() {
    let log =
        stamped((0..1000).map(|n| if n % 100 == 50 { format!("Error {n}") } else { format!("ok {n}") }));
    for piece in [1, 13, 1 << 20] {
        let found = search(&query("error"), log.as_bytes(), piece);
        assert_eq!((found.matched, found.shown, found.lines_read), (10, 4, 1000));
        assert_eq!(
            (found.first.as_str(), found.last.as_str()),
            ("Error 50\nError 150\n", "Error 850\nError 950\n")
        );
        assert_eq!(found.first_match.as_deref(), Some("2026-11-24T10:00:50.5Z"));
        assert_eq!(found.last_match.as_deref(), Some("2026-11-24T10:15:50.5Z"));
        assert_eq!(found.first_line.as_deref(), Some("2026-11-24T10:00:00.5Z"));
        assert_eq!(found.last_line.as_deref(), Some("2026-11-24T10:16:39.5Z"));
        assert_eq!(found.bytes_read, log.len() as u64 - 1000 * 23);
    }
}

#[test]
fn excluded_lines_do_not_match_and_context_is_kept() {
    let log = "a\nerror: health\nb\nc\nerror: disk\nd\n";
    let found = search(
        &LogSearch { exclude: Some("HEALTH".into()), context_lines: 1, ..query("error") },
        log.as_bytes(),
        3,
    );
    assert_eq!((found.first.as_str(), found.matched), ("c\nerror: disk\nd\n", 1));
    let all = search(
        &LogSearch { exclude: Some("error".into()), first: 9, ..LogSearch::default() },
        log.as_bytes(),
        3,
    );
    assert_eq!((all.first.as_str(), all.matched), ("a\nb\nc\nd\n", 4));
}

#[test]
fn reading_ends_behind_the_end_time() {
    let log = stamped((0..100).map(|n| format!("line {n}")));
    let until = LogSearch { until_time: Some("2026-11-24T12:00:10+02:00".into()), ..query("line") };
    let found = search(&until, log.as_bytes(), 50);
    assert_eq!((found.matched, found.end), (10, LogEnd::UntilTime));
    assert_eq!(found.last, "line 8\nline 9\n");
}

#[test]
fn a_long_line_is_cut_around_its_match_and_the_rest_is_searched() {
    let long = format!("{} needle {}", "x".repeat(9000), "y".repeat(100_000));
    let log = format!("needle 1\n{long}\nneedle 3\n");
    for piece in [100, 1 << 20] {
        let found =
            search(&LogSearch { line_bytes: Some(400), first: 9, ..query("needle") }, log.as_bytes(), piece);
        assert_eq!((found.matched, found.lines_read, found.long_lines), (3, 3, 1));
        assert_eq!(found.bytes_read, log.len() as u64);
        let lines: Vec<&str> = found.first.lines().collect();
        assert!(
            lines[1].contains(" needle yy") && lines[1].ends_with("[cut: a line of over 16384 bytes]"),
            "{}",
            lines[1]
        );
        assert!(lines[1].len() < 500 && lines[2] == "needle 3", "{lines:?}");
    }
    let behind = search(&query("needle$"), long.as_bytes(), 77);
    assert_eq!(
        (behind.matched, behind.long_lines),
        (0, 1),
        "the end of the search is not the end of the line"
    );
}

/// Each byte that is no UTF-8 is shown by a character of three, by which the match may be pushed out of the line.
#[test]
fn a_match_behind_bytes_that_are_no_text_is_shown() {
    let binary = |before: usize, behind: usize| {
        [&vec![0xff; before][..], b"needle", &vec![0xfe; behind], b"\n"].concat()
    };
    for (before, behind) in [(2, 2), (300, 0), (300, 90), (1000, 0), (1000, 5000)] {
        let query = LogSearch { line_bytes: Some(400), ..query("needle") };
        let found = search(&query, &binary(before, behind), 100);
        assert_eq!(found.matched, 1);
        assert!(found.first.contains("needle"), "{before}, {behind}: {}", found.first);
        assert!(found.first.len() < 500, "{}", found.first);
        assert_eq!(found.first.contains('\u{fffd}'), before == 2, "{}", found.first);
    }
}

#[test]
fn an_endless_line_is_neither_kept_nor_waited_for() {
    let mut matches = Matches::new(&query("^x"), SearchPatterns::default(), None, Masking::Mask, 1 << 20);
    for _ in 0..1000 {
        assert_eq!(matches.feed(&[b'x'; 1000], &mut 0, TimeSlice::unlimited()), FeedStatus::NeedsMore);
        assert!(matches.bytes() < 256 << 10);
    }
    let found = matches.finish(LogEnd::ReadLimit);
    assert_eq!((found.matched, found.lines_read, found.bytes_read), (1, 1, 1_000_000));
}

#[test]
fn a_search_sees_masked_lines_and_no_cut_shows_half_a_secret() {
    let secret = format!("ghp_{}", "Zq7Z".repeat(10));
    for filler in (16_300..16_500).chain([17_400, 17_440]) {
        let log = format!("{} {secret} end\nsecond\n", "x".repeat(filler));
        let found = search(&LogSearch { line_bytes: Some(20_000), ..query("x|Zq7") }, log.as_bytes(), 999);
        assert!(!found.first.contains("Zq7"), "{filler}");
        assert_eq!(search(&query("Zq7"), log.as_bytes(), 999).matched, 0);
    }
    let log = format!("token {secret}\n");
    assert_eq!(search(&query("masked: git"), log.as_bytes(), 9).first, "token <masked: github token>\n");
}

#[test]
fn a_search_gives_way_between_lines() {
    let mut matches = Matches::new(&query("x"), SearchPatterns::default(), None, Masking::Off, 1 << 20);
    let (log, mut at) = (b"x\nx\nx\n", 0);
    assert_eq!(matches.feed(log, &mut at, TimeSlice::over()), FeedStatus::SliceOver);
    assert_eq!(at, 2);
    assert_eq!(matches.feed(log, &mut at, TimeSlice::unlimited()), FeedStatus::NeedsMore);
    assert_eq!(matches.finish(LogEnd::Whole).matched, 3);
}
