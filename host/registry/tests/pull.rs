//! Tools pulled out of a folder in OCI layout: the order of the steps is that of a registry.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests stop with a panic")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use porthole_registry::{
    Artifact, ContentDigest, Error, ImageReference, LockedTool, Pulled, Registries, Required, SigningKey,
    Source, SourcesLock, Tags, Trust, TrustedKey,
};

const KEYS: [(&str, &[u8], &[u8]); 2] = [
    (
        "old",
        include_bytes!("../../../tests/fixtures/signatures/p256.key"),
        include_bytes!("../../../tests/fixtures/signatures/p256.pub"),
    ),
    (
        "new",
        include_bytes!("../../../tests/fixtures/signatures/ed25519.key"),
        include_bytes!("../../../tests/fixtures/signatures/ed25519.pub"),
    ),
];

struct Stage {
    folder: tempfile::TempDir,
    trust: Trust,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("registry").tempdir().unwrap();
        fs::create_dir(folder.path().join("tools")).unwrap();
        let keys = KEYS
            .iter()
            .map(|(name, _, public)| ((*name).to_owned(), TrustedKey::parse(name, public).unwrap()));
        let trust = Trust { keys: keys.collect(), required: Required::Digest, revoked: BTreeSet::new() };
        Self { folder, trust }
    }

    fn image(&self) -> ImageReference {
        ImageReference::parse(&format!("oci:{}/certs", self.folder.path().display())).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("tools/certs.wasm")
    }

    async fn push(&self, wasm: &[u8], key: Option<usize>) -> ContentDigest {
        let artifact = Artifact { wasm: wasm.to_vec(), ..Artifact::default() };
        let key = key.map(|number| SigningKey::parse(KEYS[number].1).unwrap());
        porthole_registry::push(&artifact, &self.image(), key.as_ref(), &Registries::default()).await.unwrap()
    }

    async fn pull(
        &self,
        digest: ContentDigest,
        names: &[&str],
        locked: Option<&LockedTool>,
    ) -> Result<Pulled, Error> {
        let signed_by = names.iter().map(|name| (*name).to_owned()).collect();
        let source = Source { image: self.image().at(digest), signed_by };
        let folder = self.folder.path().join("tools");
        porthole_registry::pull(&source, locked, Tags::Locked, &self.trust, &Registries::default(), &folder)
            .await
    }
}

/// Pulls the image without a digest, as a tag is named.
async fn follow(
    stage: &Stage,
    names: &[&str],
    tags: Tags,
    locked: Option<&LockedTool>,
) -> Result<Pulled, Error> {
    let signed_by = names.iter().map(|name| (*name).to_owned()).collect();
    let source = Source { image: stage.image(), signed_by };
    let folder = stage.folder.path().join("tools");
    porthole_registry::pull(&source, locked, tags, &stage.trust, &Registries::default(), &folder).await
}

/// Replaces the only image of the layout.
async fn move_to(stage: &Stage, wasm: &[u8], key: Option<usize>) -> ContentDigest {
    fs::remove_dir_all(stage.folder.path().join("certs")).unwrap();
    stage.push(wasm, key).await
}

#[tokio::test]
async fn an_image_that_moved_is_followed_if_a_named_key_has_signed_what_it_is_now() {
    let mut stage = Stage::new();
    stage.push(b"one", Some(0)).await;
    let one = follow(&stage, &["old"], Tags::Followed, None).await.unwrap();
    let served = || fs::read(stage.file()).unwrap();
    assert!(one.is_new && served() == b"one");
    assert!(!follow(&stage, &["old"], Tags::Followed, Some(&one.tool)).await.unwrap().is_new);
    for key in [None, Some(1)] {
        move_to(&stage, b"two", key).await;
        let error = follow(&stage, &["old"], Tags::Followed, Some(&one.tool)).await.unwrap_err();
        assert!(matches!(error, Error::NotSigned { .. }) && served() == b"one", "{error}");
    }
    let second = move_to(&stage, b"two", Some(0)).await;
    // Unless it is to be followed, it is what it was.
    let locked = follow(&stage, &["old"], Tags::Locked, Some(&one.tool)).await.unwrap();
    assert!(!locked.is_new && locked.tool == one.tool);
    let two = follow(&stage, &["old"], Tags::Followed, Some(&one.tool)).await.unwrap();
    assert!(two.is_new && two.tool.manifest == second && fs::read(stage.file()).unwrap() == b"two");
    // Revoked since: neither followed nor gone on with.
    stage.trust.revoked.insert(second);
    for locked in [&one.tool, &two.tool] {
        let error = follow(&stage, &["old"], Tags::Followed, Some(locked)).await.unwrap_err();
        assert!(matches!(error, Error::Revoked { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_image_that_no_key_must_have_signed_is_not_followed() {
    let stage = Stage::new();
    stage.push(b"one", None).await;
    let one = follow(&stage, &[], Tags::Followed, None).await.unwrap().tool;
    move_to(&stage, b"two", None).await;
    let again = follow(&stage, &[], Tags::Followed, Some(&one)).await.unwrap();
    assert!(!again.is_new && again.tool == one && fs::read(stage.file()).unwrap() == b"one");
}

#[tokio::test]
async fn a_signed_tool_is_pulled_once() {
    let stage = Stage::new();
    let digest = stage.push(b"wasm", Some(0)).await;
    let first = stage.pull(digest, &["old"], None).await.unwrap();
    assert!(first.is_new && first.tool.manifest == digest && first.tool.layer == ContentDigest::of(b"wasm"));
    assert_eq!(
        (first.tool.signed_by.as_deref(), fs::read(stage.file()).unwrap().as_slice()),
        (Some("old"), &b"wasm"[..])
    );
    // The layout goes: what is there with its locked digest needs none.
    fs::remove_dir_all(stage.folder.path().join("certs")).unwrap();
    assert!(!stage.pull(digest, &["old"], Some(&first.tool)).await.unwrap().is_new);
    fs::write(stage.file(), "other").unwrap();
    assert!(
        stage.pull(digest, &["old"], Some(&first.tool)).await.is_err(),
        "a file that was changed is fetched anew"
    );
}

#[tokio::test]
async fn a_signature_is_by_a_named_key_or_none() {
    let stage = Stage::new();
    let digest = stage.push(b"wasm", None).await;
    let error = stage.pull(digest, &["old"], None).await.unwrap_err();
    assert!(error.to_string().contains("is not signed by old: there is no signature"), "{error}");
    stage.push(b"wasm", Some(1)).await;
    let error = stage.pull(digest, &["old"], None).await.unwrap_err();
    assert!(error.to_string().contains("is not signed by old: its signature is by another key"), "{error}");
    assert!(!stage.file().exists());
    assert!(stage.pull(digest, &["new"], None).await.is_ok());
}

#[tokio::test]
async fn keys_rotate_while_both_are_named() {
    let stage = Stage::new();
    let digest = stage.push(b"wasm", Some(0)).await;
    let old = stage.pull(digest, &["old", "new"], None).await.unwrap().tool;
    assert_eq!(old.signed_by.as_deref(), Some("old"));
    // The old key is no longer named: its signature is not good enough, though the file is there.
    let error = stage.pull(digest, &["new"], Some(&old)).await.unwrap_err();
    assert!(matches!(error, Error::NotSigned { .. }), "{error}");
    stage.push(b"wasm", Some(1)).await;
    let new = stage.pull(digest, &["new"], Some(&old)).await.unwrap();
    assert!(!new.is_new && new.tool.signed_by.as_deref() == Some("new"));
}

#[tokio::test]
async fn a_key_that_was_replaced_under_its_name_is_noticed() {
    let mut stage = Stage::new();
    let digest = stage.push(b"wasm", Some(0)).await;
    let locked = stage.pull(digest, &["old"], None).await.unwrap().tool;
    stage.trust.keys.insert("old".to_owned(), TrustedKey::parse("old", KEYS[1].2).unwrap());
    let error = stage.pull(digest, &["old"], Some(&locked)).await.unwrap_err();
    assert!(matches!(error, Error::NotSigned { .. }), "{error}");
    stage.push(b"wasm", Some(1)).await;
    let anew = stage.pull(digest, &["old"], Some(&locked)).await.unwrap();
    assert!(!anew.is_new && anew.tool.signed_by == locked.signed_by && anew.tool.key != locked.key);
    assert_eq!(stage.pull(digest, &["old"], Some(&anew.tool)).await.unwrap().tool, anew.tool);
}

#[tokio::test]
async fn a_lock_without_a_key_is_verified_anew() {
    let stage = Stage::new();
    let digest = stage.push(b"wasm", Some(0)).await;
    let tool = stage.pull(digest, &["old"], None).await.unwrap().tool;
    let older = LockedTool { key: None, ..tool.clone() };
    assert_eq!(stage.pull(digest, &["old"], Some(&older)).await.unwrap().tool, tool);
    fs::remove_dir_all(stage.folder.path().join("certs")).unwrap();
    assert!(stage.pull(digest, &["old"], Some(&tool)).await.is_ok());
    assert!(stage.pull(digest, &["old"], Some(&older)).await.is_err());
}

#[tokio::test]
async fn a_second_signature_does_not_change_the_lock() {
    let stage = Stage::new();
    let digest = stage.push(b"wasm", Some(0)).await;
    let tool = stage.pull(digest, &["old", "new"], None).await.unwrap().tool;
    // The only signature to be found is by the other key, as when that one is listed first.
    fs::remove_dir_all(stage.folder.path().join("certs")).unwrap();
    fs::remove_file(stage.file()).unwrap();
    stage.push(b"wasm", Some(1)).await;
    let again = stage.pull(digest, &["old", "new"], Some(&tool)).await.unwrap();
    assert!(again.is_new && again.tool == tool);
}

#[tokio::test]
async fn a_revoked_tool_is_refused_and_leaves_the_folder() {
    for by_layer in [false, true] {
        let mut stage = Stage::new();
        let digest = stage.push(b"wasm", Some(0)).await;
        let tool = stage.pull(digest, &["old"], None).await.unwrap().tool;
        stage.trust.revoked.insert(if by_layer { tool.layer } else { tool.manifest });
        let error = stage.pull(digest, &["old"], Some(&tool)).await.unwrap_err();
        assert!(matches!(error, Error::Revoked { .. }), "{error}");
        // Also under the image that comes after it, which cannot be pulled.
        let mut lock = SourcesLock::default();
        lock.insert(&stage.image().at(digest), tool);
        let (successor, folder) =
            (stage.image().at(ContentDigest::of(b"later")), stage.folder.path().join("tools"));
        let removed = porthole_registry::remove_revoked(&successor, &lock, &stage.trust, &folder).unwrap();
        assert_eq!(removed, Some(stage.file()));
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0, "its proof goes with it");
    }
}

#[tokio::test]
async fn a_tool_that_is_not_revoked_stays() {
    let mut stage = Stage::new();
    let digest = stage.push(b"wasm", Some(0)).await;
    let tool = stage.pull(digest, &["old"], None).await.unwrap().tool;
    stage.trust.revoked.insert(ContentDigest::of(b"another"));
    let mut lock = SourcesLock::default();
    lock.insert(&stage.image().at(digest), tool);
    let folder = stage.folder.path().join("tools");
    let removed = porthole_registry::remove_revoked(&stage.image(), &lock, &stage.trust, &folder).unwrap();
    assert!(removed.is_none() && stage.file().exists());
}

#[tokio::test]
async fn a_lock_that_was_edited_does_not_fit() {
    let stage = Stage::new();
    let digest = stage.push(b"wasm", Some(0)).await;
    let mut tool = stage.pull(digest, &["old"], None).await.unwrap().tool;
    tool.layer = ContentDigest::of(b"another");
    let error = stage.pull(digest, &["old"], Some(&tool)).await.unwrap_err();
    assert!(matches!(error, Error::Lock { .. }) && error.to_string().contains("certs@sha256:"), "{error}");
}

/// Whoever can write the lock and the folder cannot sign.
#[tokio::test]
async fn an_entry_that_was_made_up_is_not_believed() {
    let stage = Stage::new();
    let digest = stage.push(b"wasm", Some(0)).await;
    let tool = stage.pull(digest, &["old"], None).await.unwrap().tool;
    let layout = stage.folder.path().join("certs");
    fs::remove_dir_all(&layout).unwrap();
    fs::write(stage.file(), "evil").unwrap();
    let made_up = LockedTool { layer: ContentDigest::of(b"evil"), ..tool.clone() };
    for names in [&["old"][..], &[]] {
        let pulled = stage.pull(digest, names, Some(&made_up)).await;
        assert!(pulled.is_err(), "the entry alone says so: {pulled:?}");
    }
    fs::write(stage.file(), "wasm").unwrap();
    assert!(!stage.pull(digest, &["old"], Some(&tool)).await.unwrap().is_new, "that is proven");
    // Without the proof it is looked for anew, and kept again.
    let proof = stage.folder.path().join("tools/certs.wasm.proof");
    fs::remove_file(&proof).unwrap();
    assert!(stage.pull(digest, &["old"], Some(&tool)).await.is_err());
    assert_eq!(stage.push(b"wasm", Some(0)).await, digest);
    assert!(!stage.pull(digest, &["old"], Some(&tool)).await.unwrap().is_new && proof.exists());
    // A file that was pulled without a signature has none that counts.
    assert!(stage.pull(digest, &[], None).await.is_ok());
    fs::remove_dir_all(&layout).unwrap();
    assert!(stage.pull(digest, &[], Some(&tool)).await.is_ok());
    assert!(stage.pull(digest, &["old"], Some(&tool)).await.is_err());
}

#[tokio::test]
async fn what_is_gone_or_changed_is_not_kept() {
    let stage = Stage::new();
    let digest = stage.push(b"wasm", Some(0)).await;
    let blob =
        |digest: ContentDigest| stage.folder.path().join("certs/blobs/sha256").join(&digest.to_string()[7..]);
    for (names, gone) in [(&[][..], ContentDigest::of(b"none")), (&["old"][..], ContentDigest::of(b"none"))] {
        let error = stage.pull(gone, names, None).await.unwrap_err();
        assert!(matches!(error, Error::Missing { .. }), "{error}");
    }
    let layer = blob(ContentDigest::of(b"wasm"));
    for (content, hint) in
        [("masw", "other bytes"), ("wasm!", "other bytes"), ("wa", "cut off after 2 of 4 bytes")]
    {
        fs::write(&layer, content).unwrap();
        let error = stage.pull(digest, &["old"], None).await.unwrap_err();
        assert!(error.to_string().contains(hint), "{error}");
        assert_eq!(
            fs::read_dir(stage.folder.path().join("tools")).unwrap().count(),
            0,
            "nothing half is left"
        );
    }
    fs::write(blob(digest), "{}").unwrap();
    let error = stage.pull(digest, &[], None).await.unwrap_err();
    assert!(matches!(error, Error::OtherContent { .. }), "{error}");
}
