//! The ring file: root keys with their ids, which one is current, and the root of pseudonyms.
//!
//! It is written whole into a new file that replaces the old one, readable for our own user only. A file that others
//! can read is refused, as is one that does not read back.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    iter, mem,
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
    current: Root,
    /// Readable; among them one that was prepared and is not current yet.
    others: Vec<Root>,
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
        let others: Vec<u16> = self.others.iter().map(|root| root.kid).collect();
        write!(f, "Ring(current: {}, others: {others:?})", self.current.kid)
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
        let current = Root::fresh(1, now_ms);
        Ring { current, others: Vec::new(), pseudonyms: Zeroizing::new(clock::random_bytes()) }
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
        let document: Document =
            serde_saphyr::from_str(text).map_err(|_| RingError::Damaged("not the YAML of a key ring"))?;
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
        let current = roots.iter().position(|root| root.kid == document.current);
        let current = roots.swap_remove(current.ok_or(RingError::Damaged("the current key is not there"))?);
        Ok(Ring { current, others: roots, pseudonyms: secret(&document.pseudonyms)? })
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
        let mut text = Zeroizing::new(String::with_capacity(1024 + 128 * self.others.len()));
        text.push_str("# Stepward's root keys. Whoever reads this file reads every session; keep a copy offline.\n");
        text.push_str(&format!("version: 1\ncurrent: {}\npseudonyms: ", self.current.kid));
        text.push_str(&Zeroizing::new(BASE64.encode(&*self.pseudonyms)));
        text.push_str("\nkeys:\n");
        for root in self.all() {
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
        ring.others.push(Root::fresh(kid, now_ms));
        Ok(ring)
    }

    /// With that key as the current one; every node must have it by now.
    ///
    /// # Errors
    /// [`RingError::NotThere`].
    pub fn promoted(&self, kid: u16) -> Result<Ring, RingError> {
        let mut ring = self.clone();
        let promoted = ring.others.iter_mut().find(|root| root.kid == kid).ok_or(RingError::NotThere(kid))?;
        mem::swap(promoted, &mut ring.current);
        Ok(ring)
    }

    /// Without that key: what it sealed is lost. Only after the longest lifetime, and after enrolments were sealed again.
    ///
    /// # Errors
    /// [`RingError::NotThere`], also for the current key.
    pub fn retired(&self, kid: u16) -> Result<Ring, RingError> {
        let mut ring = self.clone();
        ring.others.retain(|root| root.kid != kid);
        if ring.others.len() < self.others.len() { Ok(ring) } else { Err(RingError::NotThere(kid)) }
    }

    /// The key made last, which has the highest id.
    pub fn newest_kid(&self) -> u16 {
        self.all().map(|root| root.kid).fold(self.current.kid, u16::max)
    }

    /// Ids with the moment each was made, in milliseconds since the Unix epoch, the current one first.
    pub fn made_ms(&self) -> impl Iterator<Item = (u16, i64)> {
        self.all().map(|root| (root.kid, root.made_ms))
    }

    fn all(&self) -> impl Iterator<Item = &Root> {
        iter::once(&self.current).chain(&self.others)
    }

    pub(super) fn current(&self) -> (u16, &[u8; 32]) {
        (self.current.kid, &self.current.secret)
    }

    pub(super) fn others(&self) -> impl Iterator<Item = (u16, &[u8; 32])> {
        self.others.iter().map(|root| (root.kid, &*root.secret))
    }

    pub(super) fn pseudonym_root(&self) -> &[u8; 32] {
        &self.pseudonyms
    }
}

impl Root {
    fn fresh(kid: u16, made_ms: i64) -> Root {
        Root { kid, made_ms, secret: Zeroizing::new(clock::random_bytes()) }
    }
}

fn secret(text: &str) -> Result<Zeroizing<[u8; 32]>, RingError> {
    let bytes =
        Zeroizing::new(BASE64.decode(text.as_bytes()).map_err(|_| RingError::Damaged("a secret is not base64"))?);
    let bytes: &[u8; 32] =
        bytes.as_slice().try_into().map_err(|_| RingError::Damaged("a secret is not 32 bytes long"))?;
    Ok(Zeroizing::new(*bytes))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::{Ring, RingError};
    use crate::keys::{Keys, Purpose};

    #[test]
    fn a_ring_reads_back_as_it_was_saved_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/keys.yaml");
        let ring = Ring::fresh(5).prepared(6).unwrap().promoted(2).unwrap();
        ring.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let back = Ring::load(&path).unwrap();
        assert_eq!(back.made_ms().collect::<Vec<_>>(), [(2, 6), (1, 5)]);
        let sealed = Keys::of(ring).seal(Purpose::Session, "bank", b"owner", b"plain");
        assert_eq!(*Keys::of(back).open(Purpose::Session, "bank", b"owner", &sealed).unwrap().plain, b"plain");
    }

    #[test]
    fn a_ring_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.yaml");
        Ring::fresh(0).save(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Ring::load(&path), Err(RingError::Exposed(_))));
    }

    #[test]
    fn a_damaged_ring_is_refused_without_telling_its_secrets() {
        let text = Ring::fresh(0).text().to_string();
        let secret = text.lines().find_map(|line| line.trim().strip_prefix("secret: ")).unwrap().to_string();
        let cases = [
            text.replace("version: 1", "version: 2"),
            text.replace("current: 1", "current: 2"),
            text.replace(&secret, &secret[4..]),
            text.replace(&secret, "%%%%"),
            text.replace("keys:", "extra: 1\nkeys:"),
            text[..text.len() / 2].to_string(),
            String::new(),
        ];
        for case in cases {
            let error = Ring::parse(&case).unwrap_err();
            assert!(matches!(error, RingError::Damaged(_)), "{error}");
            assert!(!format!("{error}{error:?}").contains(&secret[8..20]));
        }
        assert!(!format!("{:?}", Ring::parse(&text).unwrap()).contains(&secret[8..20]));
    }

    #[test]
    fn the_current_key_cannot_be_retired_and_an_unknown_one_cannot_be_promoted() {
        let ring = Ring::fresh(0);
        assert!(matches!(ring.retired(1), Err(RingError::NotThere(1))));
        assert!(matches!(ring.promoted(9), Err(RingError::NotThere(9))));
    }
}
