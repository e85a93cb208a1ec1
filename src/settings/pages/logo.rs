//! A logo's file: read once, recognised by its first bytes, refused where it could be more than a picture.
//!
//! An SVG is shown by `<img>`, where nothing in it runs, and served with a policy that keeps it from running when it is
//! opened by itself; one that carries scripts is refused all the same.

use std::{fmt, fs, path::Path};

const BYTES_MAX: u64 = 64 * 1024;

/// What an SVG of a logo has no use for.
const BANNED: [&str; 7] =
    ["<script", "<foreignobject", "<!doctype", "<!entity", "javascript:", "<iframe", "<?xml-stylesheet"];

/// A picture.
#[derive(Clone)]
pub struct Logo {
    /// The file as it is.
    pub bytes: bytes::Bytes,
    /// How it is served.
    pub media_type: &'static str,
    /// How its name ends.
    pub extension: &'static str,
}

impl fmt::Debug for Logo {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Logo({}, {} bytes)", self.media_type, self.bytes.len())
    }
}

/// The picture, or what is wrong with it, to be said after its name.
pub fn read(file: &Path) -> Result<Logo, String> {
    let length = fs::metadata(file).map_err(|error| format!("cannot be read: {error}"))?.len();
    if length > BYTES_MAX {
        return Err(format!("has {} KiB", length.div_ceil(1024)));
    }
    let bytes = fs::read(file).map_err(|error| format!("cannot be read: {error}"))?;
    let (media_type, extension) = kind(&bytes)?;
    Ok(Logo { bytes: bytes.into(), media_type, extension })
}

fn kind(bytes: &[u8]) -> Result<(&'static str, &'static str), String> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(("image/png", "png"));
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Ok(("image/webp", "webp"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "is neither PNG, WebP nor SVG".to_string())?;
    let text = text.trim_start_matches('\u{feff}').trim_start().to_lowercase();
    let is_svg = text.starts_with("<svg") || text.starts_with("<?xml") && text.contains("<svg");
    if !is_svg {
        return Err("is neither PNG, WebP nor SVG".into());
    }
    if let Some(banned) = BANNED.iter().find(|it| text.contains(**it)) {
        return Err(format!("contains `{banned}`"));
    }
    let names = text.split('=').filter_map(|it| it.split_whitespace().last());
    if names.clone().take(names.count().saturating_sub(1)).any(|name| name.starts_with("on")) {
        return Err("contains a handler such as `onload=`".into());
    }
    Ok(("image/svg+xml", "svg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logo_is_a_picture_by_its_bytes_and_carries_no_script() {
        let plain =
            r##"<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9v9z" fill="#123"/></svg>"##;
        assert_eq!(kind(plain.as_bytes()), Ok(("image/svg+xml", "svg")));
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n...."), Ok(("image/png", "png")));
        assert_eq!(kind(b"RIFF\0\0\0\0WEBPVP8 "), Ok(("image/webp", "webp")));
        let refused = [
            "<html><svg></svg></html>",
            "GIF89a",
            "",
            "<svg><script>alert(1)</script></svg>",
            "<svg><SCRIPT href='x'/></svg>",
            "<svg onload=\"alert(1)\"></svg>",
            "<svg OnLoad =\"alert(1)\"></svg>",
            "<svg><a href=\"javascript:alert(1)\"/></svg>",
            "<!DOCTYPE svg [<!ENTITY a 'b'>]><svg></svg>",
            "<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a 'b'>]><svg></svg>",
            "<svg><foreignObject><iframe/></foreignObject></svg>",
        ];
        for text in refused {
            assert!(kind(text.as_bytes()).is_err(), "{text}");
        }
        assert!(kind(&[0xff, 0xd8, 0xff, 0xe0]).is_err(), "a JPEG is none of them");
    }
}
