//! The ring file: root keys with their ids, which one is current, and the root of pseudonyms.
//!
//! It is written whole into a new file that replaces the old one, readable for our own user only. A file that others
//! can read is refused, as is one that does not read back.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use crate::clock;

/// Why there is no usable ring.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// There is no file.
    #[error("there is no key ring at `{}`", .0.display())]
    Absent(PathBuf),
    /// It cannot be read or written.
    #[error("the key ring `{}` cannot be used: {error}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Everybody on the machine can read or change it.
    #[error("the key ring `{}` is open to other users; `chmod 600` it", .0.display())]
    Exposed(PathBuf),
    /// It does not read back; what is wrong is told without the line, which may hold a key.
    #[error("the key ring is damaged: {0}")]
    Damaged(&'static str),
    /// There is no key of that id, or it is the current one.
    #[error("key {0} cannot be promoted or retired")]
    NotThere(u16),
    /// Key ids have 16 bits.
    #[error("key ids are used up")]
    Full,
}

/// Root keys by id. Changes make a new ring; [`Ring::save`] puts it in place of the old one.
#[derive(Clone)]
pub struct Ring {
    current: u16,
    /// In the order in which they were made; the current one among them.
    roots: Vec<Root>,
    pseudonyms: Zeroizing<[u8; 32]>,
}

#[derive(Clone)]
struct Root {
    kid: u16,
    made_ms: i64,
    secret: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<u16> = self.roots.iter().map(|root| root.kid).collect();
        write!(f, "Ring(current: {}, keys: {kids:?})", self.current)
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    current: u16,
    pseudonyms: String,
    keys: Vec<DocumentKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentKey {
    id: u16,
    made_ms: i64,
    secret: String,
}

impl Drop for Document {
    fn drop(&mut self) {
        self.pseudonyms.zeroize();
        self.keys.iter_mut().for_each(|key| key.secret.zeroize());
    }
}

impl Ring {
    /// A new ring with one key.
    pub fn fresh(now_ms: i64) -> Ring {
        let root = Root { kid: 1, made_ms: now_ms, secret: Zeroizing::new(clock::random_bytes()) };
        Ring { current: 1, roots: vec![root], pseudonyms: Zeroizing::new(clock::random_bytes()) }
    }

    /// Reads a ring file.
    ///
    /// # Errors
    /// It is not there, is open to other users, cannot be read or does not read back.
    pub fn load(path: &Path) -> Result<Ring, RingError> {
        let unusable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => RingError::Absent(path.to_path_buf()),
            _ => RingError::Unusable { path: path.to_path_buf(), error },
        };
        if fs::metadata(path).map_err(unusable)?.permissions().mode() & 0o007 != 0 {
            return Err(RingError::Exposed(path.to_path_buf()));
        }
        Ring::parse(&Zeroizing::new(fs::read_to_string(path).map_err(unusable)?))
    }

    fn parse(text: &str) -> Result<Ring, RingError> {
        let document: Document = serde_saphyr::from_str(text).map_err(|_| RingError::Damaged("not the YAML of a key ring"))?;
        if document.version != 1 {
            return Err(RingError::Damaged("its version is unknown"));
        }
        let mut roots: Vec<Root> = Vec::new();
        for key in &document.keys {
            if roots.iter().any(|root| root.kid == key.id) {
                return Err(RingError::Damaged("a key id is there twice"));
            }
            roots.push(Root { kid: key.id, made_ms: key.made_ms, secret: secret(&key.secret)? });
        }
        if !roots.iter().any(|root| root.kid == document.current) {
            return Err(RingError::Damaged("the current key is not there"));
        }
        Ok(Ring { current: document.current, roots, pseudonyms: secret(&document.pseudonyms)? })
    }

    /// Writes the ring in place of the old one: either the old or the new file is there, whatever happens.
    ///
    /// # Errors
    /// The folder or file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), RingError> {
        let unusable = |error: io::Error| RingError::Unusable { path: path.to_path_buf(), error };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(unusable)?;
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        let written = self.write(&fresh).and_then(|()| fs::rename(&fresh, path));
        written.and_then(|()| fs::File::open(folder)?.sync_all()).map_err(unusable)
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        // What a crash left behind may have other permissions.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()
    }

    fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(1024 + 128 * self.roots.len()));
        text.push_str("# Stepward's root keys. Whoever reads this file reads every session; keep a copy offline.\n");
        text.push_str(&format!("version: 1\ncurrent: {}\npseudonyms: ", self.current));
        text.push_str(&Zeroizing::new(BASE64.encode(&*self.pseudonyms)));
        text.push_str("\nkeys:\n");
        for root in &self.roots {
            text.push_str(&format!("  - id: {}\n    made_ms: {}\n    secret: ", root.kid, root.made_ms));
            text.push_str(&Zeroizing::new(BASE64.encode(&*root.secret)));
            text.push('\n');
        }
        text
    }

    /// With one more key that is not current yet: hand this ring to every node first.
    ///
    /// # Errors
    /// [`RingError::Full`].
    pub fn prepared(&self, now_ms: i64) -> Result<Ring, RingError> {
        let kid = self.newest_kid().checked_add(1).ok_or(RingError::Full)?;
        let mut ring = self.clone();
        ring.roots.push(Root { kid, made_ms: now_ms, secret: Zeroizing::new(clock::random_bytes()) });
        Ok(ring)
    }

    /// With that key as the current one; every node must have it by now.
    ///
    /// # Errors
    /// [`RingError::NotThere`].
    pub fn promoted(&self, kid: u16) -> Result<Ring, RingError> {
        let mut ring = self.clone();
        ring.current = ring.roots.iter().map(|root| root.kid).find(|it| *it == kid).ok_or(RingError::NotThere(kid))?;
        Ok(ring)
    }

    /// Without that key: what it sealed is lost. Only after the longest lifetime, and after enrolments were sealed again.
    ///
    /// # Errors
    /// [`RingError::NotThere`], also for the current key.
    pub fn retired(&self, kid: u16) -> Result<Ring, RingError> {
        let mut ring = self.clone();
        ring.roots.retain(|root| root.kid != kid);
        let is_gone = kid != self.current && ring.roots.len() < self.roots.len();
        if is_gone { Ok(ring) } else { Err(RingError::NotThere(kid)) }
    }

    /// The key made last, which has the highest id.
    pub fn newest_kid(&self) -> u16 {
        self.roots.iter().map(|root| root.kid).max().unwrap_or(self.current)
    }

    /// The id of the current key.
    pub fn current_kid(&self) -> u16 {
        self.current
    }

    /// Ids with the moment each was made, in milliseconds since the Unix epoch; for the command line.
    pub fn made_ms(&self) -> impl Iterator<Item = (u16, i64)> {
        self.roots.iter().map(|root| (root.kid, root.made_ms))
    }

    pub(super) fn roots(&self) -> impl Iterator<Item = (u16, &[u8; 32])> {
        self.roots.iter().map(|root| (root.kid, &*root.secret))
    }

    pub(super) fn pseudonym_root(&self) -> &[u8; 32] {
        &self.pseudonyms
    }
}

fn secret(text: &str) -> Result<Zeroizing<[u8; 32]>, RingError> {
    let bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).map_err(|_| RingError::Damaged("a secret is not base64"))?);
    let bytes: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| RingError::Damaged("a secret is not 32 bytes long"))?;
    Ok(Zeroizing::new(*bytes))
}
