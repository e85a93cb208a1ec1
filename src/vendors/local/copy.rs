//! What was downloaded, kept on disk so that a restart has it at once, and so that it is only fetched anew if it changed.
//!
//! A copy that is damaged, or of another source, is none. It holds no secret: a source is known by a digest.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Most bytes of a copy's first line.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A download, with what its source said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The data.
    pub bytes: Vec<u8>,
    /// What its source said.
    pub head: Head,
}

/// What its source said about a download; the first line of a copy, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// A digest of the source.
    pub source: String,
    /// A digest of the data.
    pub sha256: String,
    /// When the source last gave it, or said that it has not changed; in milliseconds since 1970.
    pub checked_ms: i64,
    /// Its entity tag (RFC 9110 §8.8.3).
    pub etag: Option<String>,
    /// When it was last modified, as the source writes it (RFC 9110 §8.8.2).
    pub last_modified: Option<String>,
}

/// The digest of a text or of data.
pub fn digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Where the copy of a connector's download is.
pub fn place(folder: &Path, connector: &str, at: usize) -> PathBuf {
    folder.join(format!("{connector}.{at}"))
}

impl Copy {
    /// The copy of this source, if there is a sound one.
    pub fn read(path: &Path, source: &str, bytes_max: u64) -> Option<Copy> {
        let size = fs::metadata(path).ok().filter(fs::Metadata::is_file)?.len();
        if size > bytes_max.saturating_add(HEAD_BYTES_MAX as u64) {
            return None;
        }
        let mut bytes = fs::read(path).ok()?;
        let end = bytes.iter().take(HEAD_BYTES_MAX).position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(bytes.get(..end)?).ok()?;
        bytes.drain(..=end);
        (head.source == source && head.sha256 == digest(&bytes)).then_some(Copy { bytes, head })
    }

    /// Writes it: whole, or what was there before stays.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut head = serde_json::to_vec(&self.head)?;
        head.push(b'\n');
        let new = path.with_extension("new");
        let mut file = fs::File::create(&new)?;
        file.write_all(&head)?;
        file.write_all(&self.bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    }
}
