//! Bearer tokens of the admin API: one line each in `<state.path>/admin-token`, mode 0600, with the scopes it has.
//!
//! The first is made on first start and may do everything. The file is read anew when it changes, so that a token can
//! be withdrawn without a restart. Only hashes are compared, in constant time.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::clock;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Ask what would be decided.
    Evaluate,
    /// See decisions, policies and sessions.
    Read,
    /// Reload, revoke, unlock.
    Operate,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 3] = [Scope::Evaluate, Scope::Read, Scope::Operate];

    /// The word in the file.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Evaluate => "evaluate",
            Scope::Read => "read",
            Scope::Operate => "operate",
        }
    }
}

/// Where the tokens of a state folder are.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("admin-token")
}

/// The first token, for commands on the same machine.
pub fn first(path: &Path) -> io::Result<Zeroizing<String>> {
    let text = Zeroizing::new(fs::read_to_string(path)?);
    let word = lines(&text).next().and_then(|line| line.split_whitespace().next());
    word.map(|it| Zeroizing::new(it.to_string())).ok_or_else(|| io::Error::other("there is no token in it"))
}

/// The tokens at work.
pub struct Tokens {
    path: PathBuf,
    read: Mutex<Read>,
}

struct Read {
    changed: Option<SystemTime>,
    known: Vec<Known>,
}

struct Known {
    hash: [u8; 32],
    scopes: Vec<Scope>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.path.display())
    }
}

impl Tokens {
    /// Reads the file, or makes it with a first token.
    pub fn open(path: &Path) -> io::Result<Tokens> {
        if !path.exists() {
            make(path)?;
        }
        let (changed, known) = read(path)?;
        Ok(Tokens { path: path.to_path_buf(), read: Mutex::new(Read { changed, known }) })
    }

    /// Whether a token has a scope; `None` if it is no token at all. A file that cannot be read allows nothing.
    pub fn allows(&self, presented: &str, scope: Scope) -> Option<bool> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        self.read_again(&mut read);
        let hash = hash(presented);
        // Every token is compared, so that time tells nothing about which.
        let mut found = None;
        for known in &read.known {
            if bool::from(known.hash.ct_eq(&hash)) {
                found = Some(known.scopes.contains(&scope));
            }
        }
        found
    }

    fn read_again(&self, current: &mut Read) {
        let changed = fs::metadata(&self.path).and_then(|it| it.modified()).ok();
        if changed == current.changed && changed.is_some() {
            return;
        }
        *current = match read(&self.path) {
            Ok((changed, known)) => Read { changed, known },
            Err(error) => {
                tracing::error!(%error, "the admin token cannot be read; every call is refused");
                Read { changed: None, known: Vec::new() }
            }
        };
    }
}

fn make(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let token = Zeroizing::new(data_encoding::BASE64URL_NOPAD.encode(&clock::random_bytes::<32>()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "sw_{} evaluate,read,operate", *token)?;
    file.sync_all()
}

fn read(path: &Path) -> io::Result<(Option<SystemTime>, Vec<Known>)> {
    let meta = fs::metadata(path)?;
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(io::Error::other("others can read it; `chmod 600` it and put a new token in"));
    }
    let text = Zeroizing::new(fs::read_to_string(path)?);
    let known = lines(&text).map(known).collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    Ok((meta.modified().ok(), known))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// `<token> <scope>,<scope>`; a line without scopes allows nothing, for nobody has said what it may do.
fn known(line: &str) -> Result<Known, String> {
    let (token, words) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if token.len() < 32 {
        return Err("a token has less than 32 characters".into());
    }
    let words = words.split(',').map(str::trim).filter(|word| !word.is_empty());
    let scopes = words
        .map(|word| {
            Scope::ALL
                .into_iter()
                .find(|scope| scope.name() == word)
                .ok_or_else(|| format!("there is no scope `{word}`"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Known { hash: hash(token), scopes })
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (tempfile::TempDir, Tokens) {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(&path(&folder.path().join("data"))).unwrap();
        (folder, tokens)
    }

    #[test]
    fn the_first_token_is_its_owners_only_and_may_do_everything() {
        let (_folder, tokens) = open();
        assert_eq!(fs::metadata(&tokens.path).unwrap().permissions().mode() & 0o777, 0o600);
        let first = first(&tokens.path).unwrap();
        assert!(Scope::ALL.iter().all(|scope| tokens.allows(&first, *scope) == Some(true)));
        assert_eq!(tokens.allows("sw_guess", Scope::Read), None);
        assert_eq!(tokens.allows("", Scope::Read), None);
    }

    #[test]
    fn a_token_does_what_its_scopes_say_and_nothing_once_it_is_taken_out() {
        let (_folder, tokens) = open();
        let token = "ci-0123456789-0123456789-0123456789";
        // A new file, for the clock of a file system may stand still between two writes.
        let fresh = tokens.path.with_extension("new");
        for (text, expected) in [(format!("{token} evaluate\n"), Some(true)), ("# nobody\n".to_string(), None)] {
            fs::write(&fresh, text).unwrap();
            fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            fs::File::options().write(true).open(&fresh).unwrap().set_modified(SystemTime::now()).unwrap();
            fs::rename(&fresh, &tokens.path).unwrap();
            assert_eq!(tokens.allows(token, Scope::Evaluate), expected);
            assert_ne!(tokens.allows(token, Scope::Operate), Some(true), "a scope it does not have");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let (_folder, tokens) = open();
        let token = first(&tokens.path).unwrap();
        fs::set_permissions(&tokens.path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Tokens::open(&tokens.path).is_err());
        assert_eq!(tokens.allows(&token, Scope::Read), Some(true), "what was read while it was private still counts");
    }

    #[test]
    fn debug_shows_no_token() {
        let (_folder, tokens) = open();
        assert!(!format!("{tokens:?}").contains(&**first(&tokens.path).unwrap()));
    }
}
