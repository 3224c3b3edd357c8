//! Signature over the checksums, by the system's OpenSSL: base64 of what the key makes of `SHA256SUMS`, which
//! `cosign verify-blob --key` takes as well.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::{materials::output, sums::FILE};

/// Signs the checksums of a release, and writes the public key beside them.
pub(crate) fn sign(folder: &Path, key: &Path) -> Result<()> {
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(arguments);
        command
    };
    let described = output(openssl(&["pkey", "-noout", "-text", "-in"]).arg(key))
        .with_context(|| format!("{} is no private key in PEM", key.display()))?;
    let (sums, raw) = (folder.join(FILE), folder.join(format!("{FILE}.raw")));
    let mut sign = if described.starts_with("ED25519") {
        openssl(&["pkeyutl", "-sign", "-rawin", "-inkey"])
    } else if described.contains("prime256v1") {
        openssl(&["dgst", "-sha256", "-sign"])
    } else {
        bail!("{} is neither an Ed25519 key nor one of ECDSA P-256", key.display());
    };
    sign.arg(key);
    if described.starts_with("ED25519") {
        sign.arg("-in").arg(&sums).arg("-out").arg(&raw);
    } else {
        sign.arg("-out").arg(&raw).arg(&sums);
    }
    output(&mut sign)?;
    let encoded = output(openssl(&["base64", "-A", "-in"]).arg(&raw))?;
    fs::remove_file(&raw)?;
    fs::write(folder.join(format!("{FILE}.sig")), encoded + "\n")?;
    output(
        openssl(&["pkey", "-pubout", "-in"]).arg(key).arg("-out").arg(folder.join(format!("{FILE}.pub"))),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// True if OpenSSL verifies the signature of a folder.
    fn verifies(folder: &Path, is_edwards: bool) -> bool {
        let run = |arguments: &[&str]| {
            Command::new("openssl").args(arguments).current_dir(folder).output().unwrap().status.success()
        };
        assert!(run(&["base64", "-d", "-A", "-in", "SHA256SUMS.sig", "-out", "raw"]));
        if is_edwards {
            run(&[
                "pkeyutl",
                "-verify",
                "-rawin",
                "-pubin",
                "-inkey",
                "SHA256SUMS.pub",
                "-in",
                FILE,
                "-sigfile",
                "raw",
            ])
        } else {
            run(&["dgst", "-sha256", "-verify", "SHA256SUMS.pub", "-signature", "raw", FILE])
        }
    }

    #[test]
    fn a_signature_verifies_until_a_checksum_changes() {
        for (algorithm, options) in [("ed25519", &[][..]), ("EC", &["-pkeyopt", "ec_paramgen_curve:P-256"])] {
            let folder = tempfile::tempdir().unwrap();
            let key = folder.path().join("key");
            let mut generate = Command::new("openssl");
            generate.args(["genpkey", "-algorithm", algorithm, "-out"]).arg(&key).args(options);
            output(&mut generate).unwrap();
            fs::write(folder.path().join(FILE), "ab  porthole\n").unwrap();
            sign(folder.path(), &key).unwrap();
            assert!(verifies(folder.path(), algorithm == "ed25519"), "{algorithm}");
            fs::write(folder.path().join(FILE), "cd  porthole\n").unwrap();
            assert!(!verifies(folder.path(), algorithm == "ed25519"), "{algorithm}");
        }
    }

    #[test]
    fn another_kind_of_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        output(Command::new("openssl").args(["genpkey", "-algorithm", "X25519", "-out"]).arg(&key)).unwrap();
        fs::write(folder.path().join(FILE), "ab  porthole\n").unwrap();
        assert!(sign(folder.path(), &key).unwrap_err().to_string().contains("neither"));
        fs::write(&key, "no key").unwrap();
        assert!(format!("{:#}", sign(folder.path(), &key).unwrap_err()).contains("no private key"));
    }
}
