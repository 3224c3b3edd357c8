use std::{sync::Arc, time::Duration};

use porthole_contract::{CallLimits, Content, Credential};
use porthole_guard::{Ceiling, Grant, ReadLimits};
use porthole_quota::Account;

use crate::{CallContext, Code, Component, Engine, LoadError, RunError};

/// Memory, an allocator that never frees, and texts at fixed places.
const LIBC: &str = r#"
    (core module $Libc
        (memory (export "memory") 1)
        (global $free (mut i32) (i32.const 4096))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
            (global.set $free (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
        (data (i32.const 0) "0.9.0the_toolsays where it is{}"))
    (core instance $libc (instantiate $Libc))
    (alias core export $libc "memory" (core memory $memory))
    (alias core export $libc "realloc" (core func $realloc))"#;

/// 0.2: version, name, summary; and `run` gives back its home.
fn of_the_next_version() -> Vec<u8> {
    let text = format!(
        r#"(component
        (import "porthole:tool/call@0.2.0" (instance $call (export "home" (func (result string)))))
        {LIBC}
        (core func $home (canon lower (func $call "home") (memory $memory) (realloc $realloc)))
        (core module $Tool
            (import "libc" "memory" (memory 1))
            (import "call" "home" (func $home (param i32)))
            (data (i32.const 256) "\00\00\00\00\05\00\00\00\05\00\00\00\08\00\00\00\0d\00\00\00\10\00\00\00")
            (func (export "describe") (result i32) (i32.const 256))
            (func (export "run") (param i32 i32) (result i32) (call $home (i32.const 512)) (i32.const 512)))
        (core instance $tool (instantiate $Tool
            (with "libc" (instance $libc))
            (with "call" (instance (export "home" (func $home))))))
        (type $record (record (field "version" string) (field "name" string) (field "summary" string)))
        (export $description "description" (type $record))
        (func (export "describe") (result $description)
            (canon lift (core func $tool "describe") (memory $memory)))
        (func (export "run") (param "arguments" string) (result string)
            (canon lift (core func $tool "run") (memory $memory) (realloc $realloc))))"#
    );
    wat::parse_str(text).unwrap()
}

/// 0.1: name, version, no title, summary, an empty schema; and `run` gives back its default namespace as its error.
fn of_this_version() -> Vec<u8> {
    let text = format!(
        r#"(component
        (type $Types (instance
            (type $v (enum "get" "list")) (export "verb" (type $verb (eq $v)))
            (type $r (record (field "api-groups" (list string)) (field "resources" (list string)) (field "verbs" (list $verb))))
            (export "read-rule" (type $rule (eq $r)))
            (type $d (record (field "name" string) (field "version" string) (field "title" string) (field "summary" string)
                (field "input-schema" string) (field "output-schema" (option string)) (field "reads" (list $rule))))
            (export "description" (type (eq $d)))
            (type $m (record (field "data" (list u8)) (field "mime-type" string))) (export "media" (type $media (eq $m)))
            (type $e (record (field "uri" string) (field "mime-type" string) (field "text" string)))
            (export "embedded" (type $embedded (eq $e)))
            (type $c (variant (case "text" string) (case "image" $media) (case "audio" $media) (case "embedded" $embedded)))
            (export "content" (type $content (eq $c)))
            (type $o (record (field "content" (list $content)) (field "structured" (option string))))
            (export "outcome" (type (eq $o)))))
        (import "porthole:tool/types@0.1.0" (instance $types (type $Types)))
        (alias export $types "description" (type $description))
        (alias export $types "outcome" (type $outcome))
        (import "porthole:tool/call@0.1.0" (instance $call (export "default-namespace" (func (result string)))))
        {LIBC}
        (core func $home (canon lower (func $call "default-namespace") (memory $memory) (realloc $realloc)))
        (core module $Tool
            (import "libc" "memory" (memory 1))
            (import "call" "home" (func $home (param i32)))
            (data (i32.const 256) "\05\00\00\00\08\00\00\00\00\00\00\00\05\00\00\00\00\00\00\00\00\00\00\00\0d\00\00\00\10\00\00\00\1d\00\00\00\02\00\00\00")
            (func (export "describe") (result i32) (i32.const 256))
            (func (export "run") (param i32 i32) (result i32)
                (i32.store8 (i32.const 600) (i32.const 1))
                (call $home (i32.const 604))
                (i32.const 600)))
        (core instance $tool (instantiate $Tool
            (with "libc" (instance $libc))
            (with "call" (instance (export "home" (func $home))))))
        (func (export "describe") (result $description)
            (canon lift (core func $tool "describe") (memory $memory)))
        (func (export "run") (param "arguments" string) (result (result $outcome (error string)))
            (canon lift (core func $tool "run") (memory $memory) (realloc $realloc))))"#
    );
    wat::parse_str(text).unwrap()
}

fn load(engine: &Arc<Engine>, wasm: &[u8]) -> Result<Component, LoadError> {
    let code = wasmtime::component::Component::new(engine.wasmtime(), wasm).unwrap();
    Component::link(engine, &Code(code))
}

#[tokio::test]
async fn two_versions_are_served_side_by_side() {
    let engine = Arc::new(Engine::new(4, 16 << 20, 64 << 20).unwrap());
    let guard = porthole_unreachable::unreachable("harbour").await;
    let limits = CallLimits::default();
    for wasm in [of_this_version(), of_the_next_version()] {
        let component = load(&engine, &wasm).unwrap_or_else(|error| panic!("{error}"));
        let description = component.describe(16 << 20).await.unwrap();
        assert_eq!((&*description.name, &*description.version), ("the_tool", "0.9.0"));
        let limits_of_reads = ReadLimits {
            deadline: tokio::time::Instant::now() + Duration::from_secs(5),
            reads: 1,
            bytes: 1,
            log_bytes: 1,
            answer: 1,
        };
        let memory = Arc::new(engine.memory.share(Account::HOST));
        let (grant, ceiling) = (Arc::new(Grant::default()), Ceiling::default());
        let reader = guard.reader(Credential::Connection, ceiling, grant, limits_of_reads, memory);
        let call = CallContext {
            tool: description.name,
            account: Account::HOST,
            memory: Arc::new(engine.memory.share(Account::HOST)),
            reader,
            namespaces: Vec::new(),
            output: 100,
            notes: None,
        };
        let said = match component.call("{}".to_owned(), call, limits, ()).await.result {
            Ok(outcome) => match &outcome.content[..] {
                [Content::Text(text)] => text.clone(),
                other => panic!("{other:?}"),
            },
            Err(RunError::Error(text)) => text,
            Err(stopped) => panic!("{stopped:?}"),
        };
        assert_eq!(said, "harbour");
    }
}

#[tokio::test]
async fn a_description_that_finds_no_memory_is_worth_another_attempt() {
    let engine = Arc::new(Engine::new(4, 16 << 20, 64 << 10).unwrap());
    let component = load(&engine, &of_this_version()).unwrap_or_else(|error| panic!("{error}"));
    let error = component.describe(16 << 20).await.unwrap_err();
    assert!(matches!(error, LoadError::Memory(_)) && error.to_string().contains("memoryTotal"), "{error}");
}

#[test]
fn a_version_that_this_host_does_not_know_is_named() {
    let engine = Arc::new(Engine::new(4, 16 << 20, 64 << 20).unwrap());
    let importing = |imports: &str| wat::parse_str(format!("(component {imports})")).unwrap();
    let call = |version: &str| format!(r#"(import "porthole:tool/call@{version}" (instance))"#);
    let error = |wasm: Vec<u8>| load(&engine, &wasm).err().unwrap().to_string();
    let newer = error(importing(&call("0.3.0")));
    assert!(newer.contains("built for porthole:tool@0.3.0, and this host serves 0.1 and 0.2"), "{newer}");
    let ten = error(importing(&call("0.10.0")));
    assert!(ten.contains("porthole:tool@0.10.0"), "{ten}");
    let both = error(importing(&(call("0.1.0") + &call("0.2.0"))));
    assert!(both.contains("0.2.0 and 0.1"), "{both}");
}
