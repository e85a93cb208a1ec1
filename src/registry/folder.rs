//! The files of a policies folder, read as one set.
//!
//! Every `*.yaml` below the folder but tests and hidden entries; links are followed, for a ConfigMap is made of them.
//! A set that changes while it is read is read again, so that no half of one is mixed with half of another.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use sha2::{Digest, Sha256};
use stepward_core::diagnostic::Diagnostic;

use crate::render::Texts;

/// How deep folders may lie in each other; also what ends a circle of links.
const DEPTH_MAX: usize = 8;
/// How many files a set may have.
const FILES_MAX: usize = 10_000;
/// How often a set that keeps changing is read.
const TRIES_MAX: usize = 10;

/// The texts of a set, by the name that findings give them, and what is wrong with the folder itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// Texts of policies and flows.
    pub texts: Texts,
    /// Files that could not be read, or would be overlooked.
    pub found: Vec<Diagnostic>,
}

impl Set {
    /// Names and texts as one hash, in hexadecimal: what makes two sets the same.
    pub fn hash(&self) -> Arc<str> {
        let mut digest = Sha256::new();
        for (name, text) in &self.texts {
            for part in [name, text] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part.as_bytes());
            }
        }
        for finding in &self.found {
            digest.update(finding.file.as_bytes());
            digest.update(finding.message.as_bytes());
        }
        data_encoding::HEXLOWER.encode(digest.finalize().get(..16).unwrap_or_default()).into()
    }
}

/// Reads a set, again until it holds still.
pub fn read(folder: &Path) -> Set {
    let mut set = read_once(folder);
    for _ in 0..TRIES_MAX {
        let again = read_once(folder);
        if again == set {
            break;
        }
        set = again;
        thread::sleep(Duration::from_millis(20));
    }
    set
}

/// The test files below a folder, by the name that findings give them; `filter` tells which names count.
pub fn files(folder: &Path, counts: fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    walk(folder, 0, &mut |path, name| {
        if counts(name) {
            files.push(path.to_path_buf());
        }
    })?;
    files.sort();
    Ok(files)
}

/// Whether a file is a policy or a flow.
pub fn is_policy(name: &str) -> bool {
    name.ends_with(".yaml") && !name.ends_with(".test.yaml")
}

/// Whether a file holds tests.
pub fn is_test(name: &str) -> bool {
    name.ends_with(".test.yaml")
}

fn read_once(folder: &Path) -> Set {
    let mut set = Set::default();
    let mut paths = BTreeMap::new();
    let walked = walk(folder, 0, &mut |path, name| {
        let shown: Arc<str> = path.display().to_string().into();
        if is_policy(name) {
            paths.insert(shown, path.to_path_buf());
        } else if name.ends_with(".yml") {
            let message = format!("`{name}` is not read: policies end in `.yaml`");
            set.found.push(Diagnostic::error("file.overlooked", &shown, 0..0, message).help("rename it"));
        }
    });
    if let Err(error) = walked {
        let shown: Arc<str> = folder.display().to_string().into();
        let message = format!("cannot read the folder `{shown}`: {error}");
        set.found.push(Diagnostic::error("file.unreadable", &shown, 0..0, message));
    }
    for (shown, path) in paths {
        match fs::read_to_string(&path) {
            Ok(text) => {
                set.texts.insert(shown, text.into());
            }
            Err(error) => {
                let message = format!("cannot read `{shown}`: {error}");
                set.found.push(Diagnostic::error("file.unreadable", &shown, 0..0, message));
            }
        }
    }
    set
}

fn walk(folder: &Path, depth: usize, found: &mut dyn FnMut(&Path, &str)) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other(format!("folders lie deeper than {DEPTH_MAX}")));
    }
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        count += 1;
        if count > FILES_MAX {
            return Err(io::Error::other(format!("more than {FILES_MAX} files")));
        }
        // A name that is not UTF-8 cannot end in `.yaml` in any way that people mean.
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with('.') {
            continue;
        }
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => walk(&path, depth + 1, found)?,
            // A link to nothing is told when it is read.
            Ok(_) | Err(_) => found(&path, name),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn policies_and_flows_count_tests_and_hidden_entries_do_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("flows")).unwrap();
        for name in ["login.yaml", "login.test.yaml", ".login.yaml.swp", "flows/strong.yaml", "notes.txt"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let set = read(folder.path());
        let texts: Vec<_> = set.texts.values().map(|it| &**it).collect();
        assert_eq!(texts, ["flows/strong.yaml", "login.yaml"]);
        assert!(set.found.is_empty());
        assert_eq!(files(folder.path(), is_test).unwrap().len(), 1);
    }

    #[test]
    fn a_config_map_swap_changes_the_hash() {
        let mount = tempfile::tempdir().unwrap();
        let at = |name: &str| mount.path().join(name);
        for (version, text) in [("..v1", "one"), ("..v2", "two")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("login.yaml"), text).unwrap();
        }
        symlink("..v1", at("..data")).unwrap();
        symlink("..data/login.yaml", at("login.yaml")).unwrap();
        let before = read(mount.path());
        symlink("..v2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        let after = read(mount.path());
        assert_eq!(before.texts.values().map(|it| &**it).collect::<Vec<_>>(), ["one"]);
        assert_eq!(after.texts.values().map(|it| &**it).collect::<Vec<_>>(), ["two"]);
        assert_ne!(before.hash(), after.hash());
    }

    #[test]
    fn what_cannot_be_read_is_told_and_never_left_out_silently() {
        let folder = tempfile::tempdir().unwrap();
        symlink("nowhere", folder.path().join("dangling.yaml")).unwrap();
        fs::write(folder.path().join("login.yml"), "").unwrap();
        fs::write(folder.path().join("latin.yaml"), [0xff]).unwrap();
        symlink(".", folder.path().join("circle")).unwrap();
        let codes: Vec<_> = read(folder.path()).found.iter().map(|it| it.code).collect();
        assert!(codes.contains(&"file.overlooked") && codes.contains(&"file.unreadable"), "{codes:?}");
        assert_eq!(read(Path::new("/nowhere/policies")).found[0].code, "file.unreadable");
    }
}
