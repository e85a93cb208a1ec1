//! What a page's Content-Security-Policy must say so that our script may run in it and its dialog may open: pure text in,
//! pure text out.
//!
//! Every source that is added is the narrowest that does: the path of our script, the paths of our own pages, on the
//! page's own host. Nothing is taken away but a `'none'` that has to make room, and a directive that also governs other
//! things (`default-src`, `child-src`) is left as it is: a narrower one is added beside it. What does not read as a
//! policy stays as it was.

/// Where our script is, on every host.
pub(crate) const SCRIPT: &str = "/.stepward/stepward.js";
/// Where our pages are.
const PAGES: &str = "/.stepward/";

/// The page's own origin, and how our script is told apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own<'a> {
    /// Host and port as the browser wrote them.
    pub(crate) host: &'a str,
    /// Whether the page came over https.
    pub(crate) is_secure: bool,
    /// The script as a hash source without its quotes: `sha256-…`.
    pub(crate) hash: &'a str,
}

/// How our script tag is let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The page's own nonce, to be put on our tag.
    pub(crate) nonce: Option<String>,
    /// Whether a policy has to be given the script's hash, which then has to be on our tag.
    pub(crate) by_hash: bool,
}

/// How our script gets into a page with these policies, the enforced ones first; `None` where an enforced one lets no
/// script run at all: such a page makes no calls that we could repeat.
pub(crate) fn entry(enforced: &[&str], reported: &[&str]) -> Option<Entry> {
    let lists = |headers: &[&str]| -> Vec<Vec<String>> {
        let policies = headers.iter().flat_map(|header| header.split(',')).map(Policy::read);
        policies.filter_map(|policy| policy.effective(&SCRIPTS).map(|(_, list)| owned(list))).collect()
    };
    let enforced = lists(enforced);
    if enforced.iter().any(|list| is_nothing(list)) {
        return None;
    }
    let all: Vec<Vec<String>> = enforced.into_iter().chain(lists(reported)).collect();
    let nonce = all.iter().flatten().find_map(|source| nonce(source)).map(str::to_owned);
    let by_hash = all.iter().any(|list| is_strict(list) && !has_nonce(list, nonce.as_deref()));
    Some(Entry { nonce, by_hash })
}

/// A header with what our script and its dialog need; `None` where nothing has to change.
pub(crate) fn widened(header: &str, own: Own<'_>, entry: &Entry) -> Option<String> {
    rewritten(header, |policy| {
        policy.let_script_in(own, entry);
        policy.let_pages_in(own);
    })
}

/// The same for a policy in the page itself: it comes after our script, so only the dialog needs anything.
pub(crate) fn widened_in_page(content: &str, own: Own<'_>) -> Option<String> {
    rewritten(content, |policy| policy.let_pages_in(own))
}

fn rewritten(header: &str, change: impl Fn(&mut Policy<'_>)) -> Option<String> {
    let mut is_changed = false;
    let policies: Vec<String> = header
        .split(',')
        .map(|text| {
            let mut policy = Policy::read(text);
            change(&mut policy);
            is_changed |= policy.is_changed;
            policy.written()
        })
        .collect();
    is_changed.then(|| policies.join(","))
}

/// The directives that govern a script with an address, the narrowest first (CSP3 §6.8.3).
const SCRIPTS: [&str; 3] = ["script-src-elem", "script-src", "default-src"];
/// Those that govern frames.
const FRAMES: [&str; 3] = ["frame-src", "child-src", "default-src"];
/// Those that govern calls.
const CALLS: [&str; 2] = ["connect-src", "default-src"];

/// One serialized policy, directive by directive, each with the text it stood in.
struct Policy<'a> {
    directives: Vec<Directive<'a>>,
    added: Vec<String>,
    is_changed: bool,
}

struct Directive<'a> {
    text: &'a str,
    name: String,
    sources: Vec<&'a str>,
    added: Vec<String>,
}

impl<'a> Policy<'a> {
    fn read(text: &'a str) -> Self {
        let directives = text.split(';').map(|text| {
            let mut words = text.split_ascii_whitespace();
            let name = words.next().unwrap_or_default().to_ascii_lowercase();
            Directive { text, name, sources: words.collect(), added: Vec::new() }
        });
        Policy { directives: directives.collect(), added: Vec::new(), is_changed: false }
    }

    /// The directive that counts for something, with its sources: of a name that is there twice the first one counts.
    fn effective(&self, names: &[&str]) -> Option<(usize, &[&'a str])> {
        let find = |name: &&str| self.directives.iter().position(|it| it.name == **name);
        let at = names.iter().find_map(find)?;
        Some((at, self.directives.get(at)?.sources.as_slice()))
    }

    fn let_script_in(&mut self, own: Own<'_>, entry: &Entry) {
        let Some((at, list)) = self.effective(&SCRIPTS) else { return };
        let is_strict = is_strict(list);
        if has_nonce(list, entry.nonce.as_deref()) || (!is_strict && allows(list, own, SCRIPT)) {
            return;
        }
        let source = if is_strict { format!("'{}'", own.hash) } else { address(own, SCRIPT) };
        self.add(at, "script-src", source, |_| true);
    }

    fn let_pages_in(&mut self, own: Own<'_>) {
        for names in [&FRAMES[..], &CALLS[..]] {
            let Some((at, list)) = self.effective(names) else { continue };
            if !allows(list, own, PAGES) {
                // Nonces, hashes and the like mean nothing here.
                let travels = |source: &str| !source.starts_with('\'') || source.eq_ignore_ascii_case("'self'");
                self.add(at, names[0], address(own, PAGES), travels);
            }
        }
    }

    /// Adds a source to a directive, or beside one that governs more: a directive of its own that says the same.
    fn add(&mut self, at: usize, name: &str, source: String, travels: impl Fn(&str) -> bool) {
        let Some(directive) = self.directives.get_mut(at) else { return };
        self.is_changed = true;
        if matches!(&*directive.name, "default-src" | "child-src") {
            let kept = directive.sources.iter().filter(|it| !is_none(it) && travels(it));
            let sources: Vec<&str> = kept.copied().chain([&*source]).collect();
            self.added.push(format!("{name} {}", sources.join(" ")));
        } else {
            directive.added.push(source);
        }
    }

    fn written(&self) -> String {
        let mut parts: Vec<String> = self.directives.iter().map(Directive::written).collect();
        if !self.added.is_empty() {
            while parts.last().is_some_and(|part| part.trim().is_empty()) {
                parts.pop();
            }
            parts.extend(self.added.iter().map(|directive| format!(" {directive}")));
        }
        parts.join(";")
    }
}

impl Directive<'_> {
    fn written(&self) -> String {
        if self.added.is_empty() {
            return self.text.to_owned();
        }
        let added = self.added.join(" ");
        if self.sources.iter().any(|source| is_none(source)) {
            let kept: Vec<&str> = self.sources.iter().filter(|it| !is_none(it)).copied().chain([&*added]).collect();
            let before = &self.text[..self.text.len() - self.text.trim_start().len()];
            return format!("{before}{} {}", self.name, kept.join(" "));
        }
        format!("{} {added}", self.text.trim_end())
    }
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|source| (*source).to_owned()).collect()
}

fn is_none(source: &str) -> bool {
    source.eq_ignore_ascii_case("'none'")
}

/// Whether a list lets nothing in.
fn is_nothing(list: &[impl AsRef<str>]) -> bool {
    list.iter().all(|source| is_none(source.as_ref()))
}

/// Whether only nonces and hashes count for a script with an address (CSP3 §8.2).
fn is_strict(list: &[impl AsRef<str>]) -> bool {
    list.iter().any(|source| source.as_ref().eq_ignore_ascii_case("'strict-dynamic'"))
}

/// The value of a nonce source, if it is one that can stand in an attribute as it is.
fn nonce(source: &str) -> Option<&str> {
    let quoted = source.strip_prefix('\'')?.strip_suffix('\'')?;
    let value = quoted.get(..6).filter(|it| it.eq_ignore_ascii_case("nonce-")).and(quoted.get(6..))?;
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    (!value.is_empty() && value.bytes().all(is_base64)).then_some(value)
}

fn has_nonce(list: &[impl AsRef<str>], wanted: Option<&str>) -> bool {
    wanted.is_some() && list.iter().any(|source| nonce(source.as_ref()) == wanted)
}

/// Whether a list lets this path of our own in already, for certain. A source that may or may not counts as one that
/// does not: what is added beside it does no harm.
fn allows(list: &[&str], own: Own<'_>, path: &str) -> bool {
    list.iter().any(|source| {
        let source = source.to_ascii_lowercase();
        match &*source {
            "'self'" | "*" | "http:" => true,
            "https:" => own.is_secure,
            source => {
                let scheme = if own.is_secure { "https://" } else { "http://" };
                let rest = source.strip_prefix(scheme).unwrap_or(source);
                let (host, below) = rest.split_once('/').unwrap_or((rest, ""));
                let covers = below.is_empty() || path.get(1..) == Some(below) || PAGES.get(1..) == Some(below);
                host == own.host.to_ascii_lowercase() && covers
            }
        }
    })
}

/// Our own address as a source. Of addresses without a name only `'self'` is sure to be understood (CSP3 §6.7.2.9).
fn address(own: Own<'_>, path: &str) -> String {
    let name = own.host.rsplit_once(':').map_or(own.host, |(name, _)| name);
    let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_host = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
    if own.host.is_empty() || !is_host(own.host) || (is_number(name) && name != "127.0.0.1") {
        return "'self'".into();
    }
    format!("{}{path}", own.host)
}

#[cfg(test)]
mod tests;
