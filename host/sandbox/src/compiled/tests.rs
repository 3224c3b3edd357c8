use std::os::unix::fs::PermissionsExt;

use super::*;

fn engine() -> Engine {
    Engine::default()
}

/// A component of its own for each `n`.
fn wasm(n: u32) -> Vec<u8> {
    wat::parse_str(format!("(component (core module (func (export \"f\") (result i32) i32.const {n})))"))
        .unwrap()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn cache() -> (tempfile::TempDir, CompileCache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = CompileCache::open(&folder.path().join("compiled")).unwrap();
    (folder, cache)
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}

fn put(cache: &CompileCache, n: u32) -> Digest {
    let wasm = wasm(n);
    let name = digest(&wasm);
    let code = engine().precompile_component(&wasm).unwrap();
    let (partial, mut file) = cache.partial().unwrap();
    file.write_all(&code).unwrap();
    let path = partial.keep(&engine(), &name, &digest(&code)).unwrap();
    native::load_file(&engine(), &path).unwrap();
    name
}

#[test]
fn what_was_compiled_is_found_again_and_only_by_its_own_digest() {
    let (_folder, cache) = cache();
    let first = put(&cache, 1);
    assert!(cache.find(&engine(), &first).is_some());
    assert!(cache.find(&engine(), &digest(&wasm(2))).is_none());
    let mut other = wasmtime::Config::new();
    other.epoch_interruption(true);
    let other = Engine::new(&other).unwrap();
    assert!(cache.find(&other, &first).is_none(), "an engine that compiles otherwise");
    assert_eq!(entries(&cache.folder).len(), 1, "and nothing is left of the writing");
}

#[test]
fn a_damaged_entry_is_not_run_but_thrown_away_and_compiled_again() {
    let (_folder, cache) = cache();
    let first = put(&cache, 1);
    let entry = entries(&cache.folder).remove(0);
    let whole = fs::read(&entry).unwrap();
    let mut turned = whole.clone();
    let middle = turned.len() / 2;
    turned[middle] ^= 1;
    for damaged in [turned.as_slice(), &whole[..middle], &[]] {
        fs::write(&entry, damaged).unwrap();
        assert!(cache.find(&engine(), &first).is_none());
        assert!(entries(&cache.folder).is_empty());
        put(&cache, 1);
        assert!(cache.find(&engine(), &first).is_some());
    }
}

#[test]
fn an_entry_that_others_could_have_written_is_not_run() {
    let (_folder, cache) = cache();
    let first = put(&cache, 1);
    let entry = entries(&cache.folder).remove(0);
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o622)).unwrap();
    assert!(cache.find(&engine(), &first).is_none());
}

#[test]
fn a_folder_that_others_can_write_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("compiled");
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    CompileCache::open(&inner).unwrap();
    mode(&inner, 0o777);
    assert!(matches!(CompileCache::open(&inner), Err(CacheError::NotPrivate(open)) if open == inner));
    mode(&inner, 0o700);
    // Whoever can write above it can put another in its place.
    mode(folder.path(), 0o777);
    assert!(matches!(CompileCache::open(&inner), Err(CacheError::NotPrivate(open)) if open == folder.path()));
    mode(folder.path(), 0o1777);
    assert!(CompileCache::open(&inner).is_ok(), "in a sticky folder only the owner can");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&inner, &link).unwrap();
    assert!(CompileCache::open(&link).is_ok(), "what a link leads to counts");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(CompileCache::open(&file), Err(CacheError::Io(_))));
}

#[test]
fn a_folder_that_is_taken_away_and_replaced_is_not_read_from() {
    let (folder, cache) = cache();
    let first = put(&cache, 1);
    let (mine, theirs) = (folder.path().join("compiled"), folder.path().join("theirs"));
    fs::rename(&mine, &theirs).unwrap();
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("planted.cwasm"), "code").unwrap();
    assert!(cache.find(&engine(), &first).is_some(), "the folder that was opened");
    put(&cache, 2);
    assert_eq!(entries(&mine).len(), 1, "nothing is written to the other");
}

#[test]
fn what_nobody_needs_is_thrown_away_and_what_is_served_stays() {
    let (_folder, mut cache) = cache();
    let served = put(&cache, 1);
    let others: Vec<Digest> = (2..5).map(|n| put(&cache, n)).collect();
    let age = |wasm: &Digest, hours: u64| {
        let paths = entries(&cache.folder);
        let path = paths.iter().find(|path| path.to_string_lossy().contains(&wasm.to_string())).unwrap();
        let then = SystemTime::now() - Duration::from_secs(hours * 3600);
        File::open(path).unwrap().set_modified(then).unwrap();
    };
    let left_behind = cache.folder.join("left.part");
    fs::write(&left_behind, "half").unwrap();
    let served_ones = HashSet::from([served]);
    cache.prune(&served_ones).unwrap();
    assert_eq!(entries(&cache.folder).len(), 5, "all are fresh and small");
    File::open(&left_behind).unwrap().set_modified(SystemTime::now() - MAX_PARTIAL_AGE * 2).unwrap();
    age(&others[0], 24 * 31);
    age(&served, 24 * 31);
    cache.prune(&served_ones).unwrap();
    let there = |wasm: &Digest| cache.find(&engine(), wasm).is_some();
    assert!(there(&served) && !there(&others[0]) && there(&others[1]) && there(&others[2]));
    assert!(!left_behind.exists());
    age(&others[2], 2);
    let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
    cache.max_bytes = entries(&cache.folder).iter().map(size).sum::<u64>() - 1;
    cache.prune(&served_ones).unwrap();
    assert!(cache.find(&engine(), &others[1]).is_some(), "used later");
    assert!(cache.find(&engine(), &others[2]).is_none(), "the longest unused");
    assert!(cache.find(&engine(), &served).is_some());
}
