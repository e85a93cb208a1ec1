//! Every plausible reading of a path: back ends disagree about what a path names, so all of them count.
//!
//! A plain path has one reading and costs one look. Any other is taken through [`STEPS`], each of which some server,
//! framework or file system really does; a step that changes a form adds a form, so that every combination is covered.
//! Case, suffixes and trailing slashes are the matcher's: it looks names up so that they do not count.

use std::borrow::Cow;

/// The segments of one reading, decoded as it decodes them.
pub type Form<'a> = Vec<Cow<'a, str>>;

/// Most forms that one path may have; a path with more was made to confuse and has no safe reading.
pub const FORMS_MAX: usize = 64;

/// Whether the path reads the same to everybody, but for case, suffix and trailing slash.
pub fn is_plain(path: &str) -> bool {
    let mut earlier = 0;
    for byte in path.bytes() {
        match (earlier, byte) {
            (_, b'%' | b';' | b'\\') | (b'/' | b'.', b'/') => return false,
            _ => earlier = byte,
        }
    }
    earlier != b'.'
}

/// The segments of a plain path, without the empty ones round its first and last slash.
pub fn plain(path: &str) -> impl Iterator<Item = &str> + Clone {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    inner.split('/').take(if inner.is_empty() { 0 } else { usize::MAX })
}

/// All forms of a path, the one RFC 3986 suggests first. `None` if it has no safe reading: an escape that is none,
/// text that is not UTF-8, an encoded control character at any depth, or more than [`FORMS_MAX`] forms.
pub fn forms(path: &str) -> Option<Vec<Form<'_>>> {
    let mut forms = decodings(path)?;
    if forms.iter().flatten().any(|it| it.chars().any(char::is_control)) {
        return None;
    }
    for step in STEPS {
        for at in 0..forms.len() {
            if let Some(changed) = forms.get(at).and_then(step) {
                add(&mut forms, changed);
            }
        }
        if forms.len() > FORMS_MAX {
            return None;
        }
    }
    let mut found = Vec::with_capacity(forms.len());
    for mut form in forms {
        form.pop_if(|it| it.is_empty());
        add(&mut found, form);
    }
    Some(found)
}

/// Text without its percent-encoding, or `None` if an escape is not one or the bytes are not UTF-8 (overlong forms of
/// `/` and `.` among them).
pub fn decoded(text: &str) -> Option<Cow<'_, str>> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let hex = |it: Option<u8>| it.is_some_and(|it| it.is_ascii_hexdigit());
        if byte == b'%' && !(hex(bytes.next()) && hex(bytes.next())) {
            return None;
        }
    }
    percent_encoding::percent_decode_str(text).decode_utf8().ok()
}

type Step = for<'a, 'b> fn(&'b Form<'a>) -> Option<Form<'a>>;

/// What servers do to a decoded path, in the order in which they do it; `None` where nothing would change.
const STEPS: [Step; 12] = [
    without_parameters,   // servlets: `/admin;x=1`, `/..;/admin`
    cut_at_query,         // servers that decode before they split: `/admin%3Fx`, `/admin%23x`
    slashes_separate,     // servers that decode `%2F` like any other: `/admin%2fx`
    backslashes_separate, // Windows: `/public/..%5cadmin`
    without_parameters,   // the same after the splits
    ends_trimmed,         // Windows file names: `/admin.`, `/admin%20`
    authority_dropped,    // URL parsers: `//host/admin`
    slashes_merged,       // nginx: `//admin`
    dot_segments_removed, // RFC 3986 section 5.2.4: `/public/../admin`
    slashes_separate,     // and the other way round: decoding, merging and cutting only now
    slashes_merged,
    cut_at_query,
];

/// Decoded once, undecoded and decoded twice, segment by segment, with `;parameters` dropped before that and kept.
fn decodings(path: &str) -> Option<Vec<Form<'_>>> {
    let raw: Form<'_> = path.strip_prefix('/').unwrap_or(path).split('/').map(Cow::Borrowed).collect();
    let bare = without_parameters(&raw);
    let mut found = Vec::new();
    for literal in std::iter::once(raw).chain(bare) {
        let once: Form<'_> = literal.iter().map(|it| owned_or_same(it, decoded)).collect::<Option<_>>()?;
        let twice: Option<Form<'_>> = once.iter().map(|it| owned_or_same(it, decoded_where_valid)).collect();
        [once, literal].into_iter().chain(twice).for_each(|form| add(&mut found, form));
    }
    Some(found)
}

/// `change` of a text, borrowing from it only where nothing changed.
fn owned_or_same<'a>(text: &Cow<'a, str>, change: fn(&str) -> Option<Cow<'_, str>>) -> Option<Cow<'a, str>> {
    match change(text)? {
        Cow::Borrowed(same) if same.len() == text.len() => Some(text.clone()),
        changed => Some(Cow::Owned(changed.into_owned())),
    }
}

/// A second decoding, which leaves alone what is no escape (`100%`). `None` if it is not UTF-8.
fn decoded_where_valid(text: &str) -> Option<Cow<'_, str>> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok()
}

fn separated<'a>(form: &Form<'a>, separator: char) -> Option<Form<'a>> {
    form.iter().any(|it| it.contains(separator)).then(|| form.iter().flat_map(|it| parts(it, separator)).collect())
}

fn parts<'a>(text: &Cow<'a, str>, separator: char) -> Form<'a> {
    match text {
        Cow::Borrowed(text) => text.split(separator).map(Cow::Borrowed).collect(),
        Cow::Owned(text) => text.split(separator).map(|it| Cow::Owned(it.to_owned())).collect(),
    }
}

/// The first `len` bytes, which must end between characters.
fn head<'a>(text: &Cow<'a, str>, len: usize) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..len).unwrap_or(text)),
        Cow::Owned(text) => Cow::Owned(text.get(..len).unwrap_or(text).to_owned()),
    }
}

fn without_parameters<'a>(form: &Form<'a>) -> Option<Form<'a>> {
    let cut = |it: &Cow<'a, str>| head(it, it.find(';').unwrap_or(it.len()));
    form.iter().any(|it| it.contains(';')).then(|| form.iter().map(cut).collect())
}

fn cut_at_query<'a>(form: &Form<'a>) -> Option<Form<'a>> {
    let at = form.iter().position(|it| it.contains(['?', '#']))?;
    let last = form.get(at)?;
    let last = head(last, last.find(['?', '#'])?);
    Some(form.iter().take(at).cloned().chain([last]).collect())
}

fn slashes_separate<'a>(form: &Form<'a>) -> Option<Form<'a>> {
    separated(form, '/')
}

fn backslashes_separate<'a>(form: &Form<'a>) -> Option<Form<'a>> {
    separated(form, '\\')
}

fn ends_trimmed<'a>(form: &Form<'a>) -> Option<Form<'a>> {
    let trimmed: Form<'a> = form.iter().map(|it| head(it, trimmed_len(it))).collect();
    (trimmed != *form).then_some(trimmed)
}

/// Windows drops dots and spaces at the end of a name; `.` and `..` stay what they are.
fn trimmed_len(name: &str) -> usize {
    let bare = name.trim_end_matches(' ');
    if matches!(bare, "." | "..") { bare.len() } else { bare.trim_end_matches(['.', ' ']).len() }
}

fn authority_dropped<'a>(form: &Form<'a>) -> Option<Form<'a>> {
    (form.len() > 2 && form.first().is_some_and(|it| it.is_empty())).then(|| form.iter().skip(2).cloned().collect())
}

fn slashes_merged<'a>(form: &Form<'a>) -> Option<Form<'a>> {
    form.iter().any(|it| it.is_empty()).then(|| form.iter().filter(|it| !it.is_empty()).cloned().collect())
}

fn dot_segments_removed<'a>(form: &Form<'a>) -> Option<Form<'a>> {
    form.iter().any(|it| matches!(&**it, "." | "..")).then(|| {
        let mut kept = Form::new();
        for segment in form {
            match &**segment {
                "." => {}
                ".." => drop(kept.pop()),
                _ => kept.push(segment.clone()),
            }
        }
        kept
    })
}

/// Adds a form unless it is known; there are few, so comparing with all is cheap.
fn add<'a>(forms: &mut Vec<Form<'a>>, form: Form<'a>) {
    if !forms.contains(&form) {
        forms.push(form);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str) -> Vec<String> {
        forms(path).expect(path).iter().map(|it| it.join("|")).collect()
    }

    #[test]
    fn plain_paths_are_told_at_a_glance() {
        for path in ["/", "/a", "/a/", "/api/v1/Users/7", "/app.min.js", "/.well-known/x", "/a..b/c", "/~me/a+b"] {
            assert!(is_plain(path), "{path}");
        }
        for path in ["//", "//a", "/a//b", "/a/./b", "/a/..", "/.", "/..", "/a./b", "/a.", "/a;x", "/%61", "/a/../b"] {
            assert!(!is_plain(path), "{path}");
        }
        assert_eq!(plain("/a/b/").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(plain("/").count(), 0);
    }

    #[test]
    fn the_standard_reading_comes_first() {
        assert_eq!(shown("/J%20D/mail")[0], "J D|mail");
        assert_eq!(shown("/a%2Fb"), ["a/b", "a%2Fb", "a|b"]);
        assert_eq!(shown("/100%25"), ["100%", "100%25"]);
    }

    #[test]
    fn combinations_of_oddities_are_read_too() {
        for (path, wanted) in [
            ("/public/../admin/x", "admin|x"),
            ("/public/%2e%2e/admin", "admin"),
            ("/public/..%2fadmin", "admin"),
            ("/public/..%5cadmin", "admin"),
            ("/public/..;/admin", "admin"),
            ("/public/..;x=1%2f;y/admin;z", "admin"),
            ("/a/%252e%252e/admin", "admin"),
            ("/%2561dmin", "admin"),
            ("//admin", "admin"),
            ("//a.test/admin", "admin"),
            ("/admin%3fx", "admin"),
            ("/admin%23/../x", "admin"),
            ("/admin.", "admin"),
            ("/admin%20", "admin"),
            ("/x/..%20/admin", "admin"),
            ("/x/.%2e;a//admin./", "admin"),
        ] {
            assert!(shown(path).contains(&wanted.to_string()), "{path}: {:?}", shown(path));
        }
    }

    #[test]
    fn what_has_no_safe_reading_has_none() {
        for path in ["/%", "/%z", "/%u0061", "/%00", "/a%0d%0ab", "/%2500", "/%7f", "/%c0%af", "/%ff", "/%e0%80%af"] {
            assert_eq!(forms(path), None, "{path}");
        }
    }

    #[test]
    fn a_path_made_to_confuse_is_bounded() {
        let path = "/a;b/..%2f%252e%252e;c/%5c./%3f//d./".repeat(50);
        assert!(forms(&path).is_none_or(|it| it.len() <= FORMS_MAX));
    }
}
