//! Components that no compiler produces: core modules in text format, wrapped for the contract.
//!
//! Each is a tool whose description, allocator and body the test chooses, down to the bytes of the canonical ABI.

use std::fmt::Write as _;

/// Start of the static data; memory below is never read.
const BASE: u32 = 1024;
const PAGE: u32 = 65536;
/// Bump allocator, which grows the memory as needed.
const BUMP: &str = "(local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (block $enough (loop $more
        (br_if $enough (i32.ge_u (i32.mul (memory.size) (i32.const 65536)) (global.get $next)))
        (br_if $enough (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))
        (br $more)))
    (local.get $at)";

/// One declared rule: API groups, resources, verbs.
pub type Rule<'r> = (&'r [&'r str], &'r [&'r str], &'r [Verb]);

/// Verbs of the contract, by number.
#[derive(Debug, Clone, Copy)]
pub enum Verb {
    Get,
    List,
}

/// Static data of a component.
#[derive(Default)]
pub struct Data(Vec<u8>);

impl Data {
    /// Adds bytes; returns their address.
    pub fn bytes(&mut self, bytes: &[u8]) -> u32 {
        while !self.0.len().is_multiple_of(8) {
            self.0.push(0);
        }
        let at = BASE + u32::try_from(self.0.len()).expect("a small memory");
        self.0.extend_from_slice(bytes);
        at
    }

    /// Adds a text; returns address and length.
    pub fn text(&mut self, text: &str) -> [u32; 2] {
        [self.bytes(text.as_bytes()), u32::try_from(text.len()).expect("a short text")]
    }

    /// Adds words; returns their address.
    pub fn words(&mut self, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.bytes(&bytes)
    }

    /// Adds a list of texts; returns address and length.
    fn texts(&mut self, texts: &[&str]) -> [u32; 2] {
        let words: Vec<u32> = texts.iter().flat_map(|text| self.text(text)).collect();
        [self.words(&words), u32::try_from(texts.len()).expect("a few texts")]
    }

    /// First free address after the data.
    pub fn end(&self) -> u32 {
        (BASE + u32::try_from(self.0.len()).expect("a small memory")).next_multiple_of(16)
    }
}

/// A tool in text format.
pub struct Component<'c> {
    pub name: &'c str,
    pub version: &'c str,
    pub title: &'c str,
    pub summary: &'c str,
    pub schema: &'c str,
    pub reads: &'c [Rule<'c>],
    /// Static data that the body refers to.
    pub data: Data,
    /// Minimum initial memory, in bytes.
    pub memory: u32,
    /// Items of the core module: tables, globals, further functions. `$log`, `$pollable` and the memory are imported.
    pub items: String,
    /// Code that runs at instantiation.
    pub start: &'c str,
    /// Code that runs before the description is returned.
    pub describe: &'c str,
    /// Body of `run`: the address of a `result<outcome, string>`.
    pub run: String,
    /// Body of the allocator; `None` for a correct one.
    pub realloc: Option<&'c str>,
}

impl Default for Component<'_> {
    fn default() -> Self {
        Self {
            name: "attacker",
            version: "1.0.0",
            title: "Attacker",
            summary: "Tries what tools must not do.",
            schema: r#"{"type":"object","properties":{}}"#,
            reads: &[],
            data: Data::default(),
            memory: 0,
            items: String::new(),
            start: "",
            describe: "",
            run: "(unreachable)".into(),
            realloc: None,
        }
    }
}

impl Component<'_> {
    /// Builds the component's file.
    pub fn build(mut self) -> Vec<u8> {
        let text = self.text();
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn text(&mut self) -> String {
        let description = self.description();
        let end = self.data.end();
        let pages = end.max(self.memory).div_ceil(PAGE) + 1;
        let realloc = self.realloc.unwrap_or(BUMP);
        let data = escaped(&self.data.0);
        let Self { items, describe, run, .. } = self;
        let start = match self.start {
            "" => String::new(),
            body => format!("(func $begin {body}) (start $begin)"),
        };
        format!(
            r#"(component
{INTERFACES}
(core module $memory
    (memory (export "memory") {pages})
    (global $next (mut i32) (i32.const {end}))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc})
    (data (i32.const {BASE}) "{data}"))
(core instance $memory (instantiate $memory))
(core func $log (canon lower (func $call "log") (memory (core memory $memory "memory")) string-encoding=utf8))
(core func $pollable (canon lower (func $clock "subscribe-duration")))
(core module $main
    (import "host" "log" (func $log (param i32 i32 i32)))
    (import "host" "pollable" (func $pollable (param i64) (result i32)))
    (import "memory" "memory" (memory 1))
    {items}
    {start}
    (func (export "describe") (result i32) {describe} (i32.const {description}))
    (func (export "run") (param $arguments i32) (param $length i32) (result i32) {run}))
(core instance $main (instantiate $main
    (with "host" (instance (export "log" (func $log)) (export "pollable" (func $pollable))))
    (with "memory" (instance $memory))))
(func $describe (result $description)
    (canon lift (core func $main "describe") (memory (core memory $memory "memory")) string-encoding=utf8))
(func $run (param "arguments" string) (result (result $outcome (error string)))
    (canon lift (core func $main "run") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")) string-encoding=utf8))
(export "describe" (func $describe))
(export "run" (func $run)))"#
        )
    }

    /// Writes the record that `describe` returns.
    fn description(&mut self) -> u32 {
        let data = &mut self.data;
        let rules: Vec<u32> = self
            .reads
            .iter()
            .flat_map(|(groups, resources, verbs)| {
                let verbs: Vec<u8> = verbs.iter().map(|verb| *verb as u8).collect();
                let at = data.bytes(&verbs);
                let count = u32::try_from(verbs.len()).expect("two verbs");
                [data.texts(groups), data.texts(resources), [at, count]].concat()
            })
            .collect();
        let rules = data.words(&rules);
        let texts = [self.name, self.version, self.title, self.summary, self.schema];
        let mut record: Vec<u32> = texts.iter().flat_map(|text| data.text(text)).collect();
        record.extend([0, 0, 0, rules, u32::try_from(self.reads.len()).expect("a few rules")]);
        data.words(&record)
    }
}

/// Escapes bytes for a string of the text format.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b' '..=b'~' if !matches!(byte, b'"' | b'\\') => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "\\{byte:02x}");
            }
        }
    }
    text
}

/// Imports and types of the exports, as in `wit/porthole.wit`.
const INTERFACES: &str = r#"
(import "porthole:tool/types@0.1.0" (instance $types
    (type $verb' (enum "get" "list")) (export "verb" (type $verb (eq $verb')))
    (type $texts (list string)) (type $verbs (list $verb))
    (type $rule' (record (field "api-groups" $texts) (field "resources" $texts) (field "verbs" $verbs)))
    (export "read-rule" (type $rule (eq $rule')))
    (type $text? (option string)) (type $rules (list $rule))
    (type $description' (record (field "name" string) (field "version" string) (field "title" string)
        (field "summary" string) (field "input-schema" string) (field "output-schema" $text?) (field "reads" $rules)))
    (export "description" (type $description (eq $description')))
    (type $bytes (list u8))
    (type $media' (record (field "data" $bytes) (field "mime-type" string)))
    (export "media" (type $media (eq $media')))
    (type $embedded' (record (field "uri" string) (field "mime-type" string) (field "text" string)))
    (export "embedded" (type $embedded (eq $embedded')))
    (type $content' (variant (case "text" string) (case "image" $media) (case "audio" $media) (case "embedded" $embedded)))
    (export "content" (type $content (eq $content')))
    (type $contents (list $content))
    (type $outcome' (record (field "content" $contents) (field "structured" $text?)))
    (export "outcome" (type $outcome (eq $outcome')))))
(alias export $types "description" (type $description))
(alias export $types "outcome" (type $outcome))
(import "porthole:tool/call@0.1.0" (instance $call
    (type $level' (enum "debug" "info" "warn" "error")) (export "level" (type $level (eq $level')))
    (export "log" (func (param "level" $level) (param "message" string)))))
(import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type (sub resource)))))
(alias export $poll "pollable" (type $pollable))
(import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $pollable'))
    (export "pollable" (type $pollable (eq $pollable')))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_in_text_is_a_component() {
        let wasm = Component::default().build();
        assert_eq!(wasm.get(..8), Some(&b"\0asm\x0d\0\x01\0"[..]));
    }
}
