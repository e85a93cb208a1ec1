//! What somebody hostile tries with step-up and its pages, by family; rows G to J of `tests/data/advisories.txt`.

mod caches;
mod chromium;
mod cookies;
mod endpoints;
mod factors;
mod guessing;
mod oracle;
mod pages;
mod races;
mod reach;
mod redirects;
mod tokens;

use stepward::reply::Reply;

/// A whole answer as the client sees it, for comparing: status, every field, body; with these words blotted out.
fn whole(reply: &Reply, blotted: &[&str]) -> String {
    let mut fields: Vec<String> =
        reply.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    fields.sort();
    let text = format!("{}\n{}\n\n{}", reply.status, fields.join("\n"), String::from_utf8_lossy(&reply.body));
    blotted.iter().fold(text, |text, word| text.replace(word, "*"))
}
