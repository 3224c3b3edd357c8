//! Prompts from Markdown files with front matter: those built in, or those of a folder that replaces them.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use include_dir::{Dir, include_dir};
use porthole_contract::Echo;
use porthole_mcp::{Argument, MAX_TEMPLATE, Prompt, PromptError, Prompts};
use serde::Deserialize;

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/prompts");

/// Max bytes of a file: its text, and as much front matter.
const MAX_FILE: u64 = 2 * MAX_TEMPLATE as u64;
/// Max entries of a folder that are looked at.
const MAX_ENTRIES: usize = 1000;
/// Line before and after the front matter.
const FENCE: &str = "---";

/// Error when prompts cannot be offered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromptsError {
    /// The folder cannot be read, or has too many entries.
    #[error("prompts.folder {path}: {cause}")]
    Folder { path: String, cause: String },
    /// A file cannot be read, is no Markdown with front matter, or no prompt that clients can show.
    #[error("prompt {file}: {cause}")]
    File { file: String, cause: String },
}

/// The fields of a file before its text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    title: String,
    description: String,
    #[serde(default)]
    arguments: Vec<ArgumentText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArgumentText {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    required: bool,
}

/// The prompts of a folder, or without one those built in.
pub(crate) fn load(folder: Option<&Path>) -> Result<Prompts, PromptsError> {
    let files = match folder {
        Some(folder) => of_folder(folder)?,
        None => BUILT_IN
            .files()
            .filter_map(|file| Some((file.path().to_str()?.to_owned(), file.contents_utf8()?.to_owned())))
            .collect(),
    };
    let mut prompts = Prompts::default();
    for (file, text) in files {
        let rejected = |cause: String| PromptsError::File { file: Echo(&file).to_string(), cause };
        let name = file.strip_suffix(".md").unwrap_or(&file);
        let prompt = parse(&text).map_err(rejected)?;
        prompts.add(name, prompt).map_err(|error: PromptError| rejected(error.to_string()))?;
    }
    Ok(prompts)
}

/// Names and texts of the Markdown files of a folder. Those that begin with a dot are not: a ConfigMap's volume has such.
fn of_folder(folder: &Path) -> Result<Vec<(String, String)>, PromptsError> {
    let failed = |cause: String| PromptsError::Folder { path: folder.display().to_string(), cause };
    let mut files = Vec::new();
    for (number, entry) in fs::read_dir(folder).map_err(|error| failed(error.to_string()))?.enumerate() {
        if number >= MAX_ENTRIES {
            return Err(failed(format!("it has more than {MAX_ENTRIES} entries")));
        }
        let name = entry.map_err(|error| failed(error.to_string()))?.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(".md") && !name.starts_with('.')) else {
            continue;
        };
        let text = read(&folder.join(name))
            .map_err(|cause| PromptsError::File { file: Echo(name).to_string(), cause })?;
        files.push((name.to_owned(), text));
    }
    Ok(files)
}

fn read(path: &Path) -> Result<String, String> {
    // A pipe would be waited for before the ports are open.
    if !path.metadata().map_err(|error| error.to_string())?.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_FILE {
        return Err(format!("it has more than {MAX_FILE} bytes"));
    }
    Ok(text)
}

fn parse(text: &str) -> Result<Prompt, String> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let front =
        text.strip_prefix(&format!("{FENCE}\n")).and_then(|rest| rest.split_once(&format!("\n{FENCE}\n")));
    let Some((front, template)) = front else {
        return Err(format!(
            "it must begin with front matter: title and description between two lines {FENCE}"
        ));
    };
    let FrontMatter { title, description, arguments } =
        serde_saphyr::from_str(front).map_err(|error| error.to_string())?;
    let argument = |ArgumentText { name, description, required }| Argument { name, description, required };
    let arguments = arguments.into_iter().map(argument).collect();
    Ok(Prompt { title, description, arguments, template: template.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "---\ntitle: On call\ndescription: Our own first question\narguments:\n  - name: team\n---\n\nLook at team {{team}}.\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn the_built_in_prompts_are_three_questions() {
        let mut expected = Prompts::default();
        for name in ["why-is-it-down", "what-changed", "is-the-cluster-healthy"] {
            let file = BUILT_IN.get_file(format!("{name}.md")).unwrap();
            expected.add(name, parse(file.contents_utf8().unwrap()).unwrap()).unwrap();
        }
        assert_eq!(load(None).unwrap(), expected);
    }

    #[test]
    fn a_folder_replaces_them() {
        let of = folder(&[
            ("on-call.md", FILE),
            ("windows.md", &FILE.replace('\n', "\r\n")),
            ("README", "no"),
            (".hidden.md", "no"),
        ]);
        let mut expected = Prompts::default();
        expected.add("on-call", parse(FILE).unwrap()).unwrap();
        expected.add("windows", parse(FILE).unwrap()).unwrap();
        assert_eq!(load(Some(of.path())).unwrap(), expected);
        assert!(load(Some(folder(&[]).path())).unwrap().is_empty());
    }

    #[test]
    fn a_mistake_is_named_with_its_file() {
        let large = format!("{FILE}{}", "x".repeat(2 * MAX_TEMPLATE));
        for (name, text, words) in [
            ("a.md", "Look at it.", "must begin with front matter"),
            ("a.md", "---\ntitle: x\n---\nLook.", "description"),
            ("a.md", &FILE.replace("title", "titel"), "titel"),
            ("a.md", &FILE.replace("{{team}}", ""), "team stands nowhere"),
            ("On Call.md", FILE, "is not a name"),
            ("a.md", &large, "more than"),
        ] {
            let error = load(Some(folder(&[(name, text)]).path())).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains(name), "{error}");
        }
        let error = load(Some(Path::new("/nonexistent"))).unwrap_err().to_string();
        assert!(error.contains("prompts.folder /nonexistent"), "{error}");
    }
}
