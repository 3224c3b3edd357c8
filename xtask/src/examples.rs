//! Builds the example tools in other languages, with packages from their registries.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{
    packages::{npm_packages, pip},
    shell::{command, root, run_aside, target},
};

const COMPONENTIZE_JS: &str = "@bytecodealliance/componentize-js@0.23.0";
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";

/// Folder of the built examples.
pub(crate) fn built() -> PathBuf {
    target().join("plugins/examples")
}

/// Builds the examples like projects of `porthole plugin new`.
pub(crate) fn build() -> Result<()> {
    std::fs::create_dir_all(built())?;
    let sdk = root().join("plugins/sdk");
    let examples = root().join("plugins/examples");
    let wit = root().join("wit").display().to_string();

    let modules = npm_packages("npm-componentize", &[COMPONENTIZE_JS])?;
    let javascript = project("js", &[&examples.join("js/tool.js"), &sdk.join("js/porthole.js")])?;
    let script = format!(
        "const {{ componentize }} = await import({:?});
         const {{ component }} = await componentize({{ sourcePath: 'tool.js', witPath: {wit:?}, worldName: 'tool', disableFeatures: ['http', 'fetch-event'] }});
         await (await import('node:fs/promises')).writeFile('tool.wasm', component);",
        modules.join("@bytecodealliance/componentize-js/src/componentize.js").display().to_string()
    );
    run_aside(command("node", &["--input-type=module", "--eval", &script]).current_dir(&javascript))
        .context("componentize-js")?;
    std::fs::rename(javascript.join("tool.wasm"), built().join("images_list.wasm"))?;

    let bin = pip(COMPONENTIZE_PY)?;
    let python = project("python", &[&examples.join("python/tool.py"), &sdk.join("python/porthole.py")])?;
    let program = bin.join("componentize-py").display().to_string();
    let arguments = ["-d", &wit, "-w", "tool", "componentize", "--stub-wasi", "tool", "-o", "tool.wasm"];
    run_aside(command(&program, &arguments).current_dir(&python)).context("componentize-py")?;
    std::fs::rename(python.join("tool.wasm"), built().join("quota_usage.wasm"))?;
    Ok(())
}

/// Creates a folder with a tool and its library.
fn project(language: &str, files: &[&Path]) -> Result<PathBuf> {
    let folder = target().join("plugins").join(format!("example-{language}"));
    std::fs::create_dir_all(&folder)?;
    for file in files {
        let name = file.file_name().context("a file without a name")?;
        std::fs::copy(file, folder.join(name)).with_context(|| format!("{}", file.display()))?;
    }
    Ok(folder)
}
