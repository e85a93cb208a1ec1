//! A town whose app takes uploads, and what a browser does to send one.

use std::path::PathBuf;

use crate::{
    visitor::{Seen, Visitor},
    world::{LOGIN, Town, World},
};

/// An event that reads no body and keeps large ones.
pub(crate) const UPLOAD: &str = "
event: upload
covers: [POST /upload, PUT /upload, PATCH /upload, DELETE /upload]
facts:
  folder: { from: query.folder, type: text }
park_max: 100MiB
succeeded: response.status == 200
failed: response.status == 400
when_unsure: block
otherwise: block
steps:
  - require: a code
    proof: [totp]
    fresh_for: 5m
    attempts: 3
  - finish: take it
    then: forward
";

pub(crate) const MIB: usize = 1 << 20;

/// A multipart body with one file of this size, which no two sizes share.
pub(crate) fn multipart(file_bytes: usize) -> Vec<u8> {
    let mut body = b"--limit\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nplain-note\r\n--limit\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"scan.pdf\"\r\nContent-Type: application/pdf\r\n\r\n"
        .to_vec();
    body.extend((0..file_bytes).map(|at| (at * 31 + file_bytes) as u8));
    body.extend(b"\r\n--limit--\r\n");
    body
}

/// Ada, signed in, with the secret of her authenticator app.
pub(crate) async fn ada(town: &Town) -> (Visitor, Vec<u8>) {
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    (ada, town.totp("ada").await)
}

pub(crate) async fn town() -> Town {
    World::new().policy(LOGIN).policy(UPLOAD).start().await
}

/// Sends a body as a form of a page would.
pub(crate) async fn send(visitor: &mut Visitor, path: &str, body: impl Into<reqwest::Body>) -> Seen {
    let url = visitor.url(path);
    let origin = visitor.url("");
    let request = visitor
        .client()
        .post(url)
        .header("content-type", "multipart/form-data; boundary=limit")
        .header("origin", origin)
        .header("sec-fetch-site", "same-origin")
        .body(body);
    visitor.send(request).await
}

/// The bodies that wait.
pub(crate) fn files(town: &Town) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(town.folder.path().join("state/spool")).unwrap();
    let files = entries.map(|it| it.unwrap().path());
    files.filter(|it| it.file_name().is_some_and(|name| name != "folder.id")).collect()
}

/// The body of the last request of this line that the app saw.
pub(crate) fn received(town: &Town, line: &str) -> Vec<u8> {
    let whole = town.app.bytes(line);
    let head = whole.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    whole[head..].to_vec()
}
