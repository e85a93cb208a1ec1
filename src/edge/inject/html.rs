//! Puts one tag into a page as it streams by, first in its head, and widens policies that the page itself has there.
//!
//! Everything else passes byte for byte. The page is read only as far as its head goes; from the next piece on it is not
//! looked at. What cannot be read (another encoding than one that holds ASCII, a tag that never ends) passes as it is.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lol_html::{
    ElementContentHandlers, MemorySettings, OutputSink, Selector,
    html_content::ContentType,
    send::{Element, HtmlRewriter, Settings},
};

use crate::edge::inject::csp;

/// What is kept of a page while one of its tags is not complete.
const TAG_BYTES_MAX: usize = 128 * 1024;

/// A page on its way through.
pub(crate) struct Weaver {
    rewriter: Option<HtmlRewriter<'static, Out>>,
    out: Out,
    head: Arc<Mutex<Head>>,
    is_begun: bool,
}

/// Whose page it is and what is put into it.
pub(crate) struct Weft {
    /// Our script tag.
    pub(crate) tag: String,
    /// Host and port of the page.
    pub(crate) host: String,
    /// Whether it came over https.
    pub(crate) is_secure: bool,
}

/// How far the page was read.
struct Head {
    weft: Weft,
    is_placed: bool,
    is_over: bool,
}

#[derive(Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl OutputSink for Out {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        lock(&self.0).extend_from_slice(chunk);
    }
}

impl Weaver {
    /// Ready for the first piece of a page.
    pub(crate) fn new(weft: Weft) -> Self {
        let head = Arc::new(Mutex::new(Head { weft, is_placed: false, is_over: false }));
        let out = Out::default();
        let rewriter = every_tag().map(|every| {
            let reader = head.clone();
            let handler = move |element: &mut Element<'_, '_>| {
                lock(&reader).meet(element);
                Ok(())
            };
            let memory = MemorySettings::new()
                .with_max_allowed_memory_usage(TAG_BYTES_MAX)
                .with_graceful_bail_out_on_memory_limit_exceeded(true);
            let settings = Settings::new_send()
                .append_element_content_handler((every, ElementContentHandlers::default().element(handler)))
                .with_memory_settings(memory)
                .with_graceful_bail_out_on_content_handler_error(true)
                .with_strict(false);
            HtmlRewriter::new(settings, out.clone())
        });
        Weaver { rewriter, out, head, is_begun: false }
    }

    /// The next piece of the page, as it goes on; the last one may be empty.
    pub(crate) fn next(&mut self, piece: Bytes, is_last: bool) -> Bytes {
        if !std::mem::replace(&mut self.is_begun, true) && is_utf16(&piece) {
            self.rewriter = None;
        }
        let Some(mut rewriter) = self.rewriter.take() else { return piece };
        if rewriter.write(&piece).is_err() {
            // It has let go of all it kept, and is not asked again.
            return self.taken();
        }
        if is_last || lock(&self.head).is_over {
            // At its end nothing is missing that could be made up for.
            let _ = rewriter.end();
        } else {
            self.rewriter = Some(rewriter);
        }
        self.taken()
    }

    fn taken(&mut self) -> Bytes {
        std::mem::take(&mut *lock(&self.out.0)).into()
    }
}

impl Head {
    /// One start tag. The first one inside the head, or whatever stands where a head is not written down, comes after
    /// our tag; the first one that no head can hold ends it (WHATWG HTML §13.2.6.4.4).
    fn meet(&mut self, element: &mut Element<'_, '_>) {
        if self.is_over {
            return;
        }
        let name = element.tag_name();
        match &*name {
            "html" => return,
            "head" => {
                if !std::mem::replace(&mut self.is_placed, true) {
                    element.prepend(&self.weft.tag, ContentType::Html);
                }
                return;
            }
            "meta" => self.widen(element),
            "base" | "basefont" | "bgsound" | "link" | "noframes" | "noscript" | "script" | "style" | "template"
            | "title" => {}
            _ => self.is_over = true,
        }
        if !std::mem::replace(&mut self.is_placed, true) {
            element.before(&self.weft.tag, ContentType::Html);
        }
    }

    fn widen(&self, element: &mut Element<'_, '_>) {
        let is_policy = element
            .get_attribute("http-equiv")
            .is_some_and(|it| it.trim().eq_ignore_ascii_case("content-security-policy"));
        let content = element.get_attribute("content").filter(|_| is_policy);
        // One that is written with character references is not read, and stays as it is.
        let Some(content) = content.filter(|it| !it.contains('&')) else { return };
        let own = csp::Own { host: &self.weft.host, is_secure: self.weft.is_secure, hash: "" };
        if let Some(content) = csp::widened_in_page(&content, own)
            && let Err(error) = element.set_attribute("content", &content)
        {
            tracing::debug!(%error, "a policy in a page stays as it was");
        }
    }
}

fn every_tag() -> Option<std::borrow::Cow<'static, Selector>> {
    "*".parse().ok().map(std::borrow::Cow::Owned)
}

fn is_utf16(piece: &[u8]) -> bool {
    piece.starts_with(&[0xFE, 0xFF]) || piece.starts_with(&[0xFF, 0xFE])
}

/// Nobody panics while holding one; if somebody did, what it holds is still whole.
fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "<script src=\"/.stepward/stepward.js\"></script>";

    fn weaver() -> Weaver {
        Weaver::new(Weft { tag: TAG.into(), host: "bank.example".into(), is_secure: true })
    }

    /// The page in pieces of this size.
    fn woven(page: &[u8], size: usize) -> Vec<u8> {
        let mut weaver = weaver();
        let mut out = Vec::new();
        for piece in page.chunks(size) {
            out.extend(weaver.next(Bytes::copy_from_slice(piece), false));
        }
        out.extend(weaver.next(Bytes::new(), true));
        out
    }

    #[test]
    fn our_tag_comes_first_and_nothing_else_changes_however_the_page_is_cut() {
        for page in [
            "<!doctype html><html><head>|<title>x</title></head><body>y</body></html>",
            "<!doctype html>\n<!-- <head> -->\n<HTML lang=en>\n<HEAD data-x='<head>'>|\n<meta charset=utf-8>",
            "<!doctype html>|<title>x</title><p>y",
            "<html>|<body><script>'<head>'</script>",
            "|<meta charset=utf-8><title>&amp;<b></title><head><script src=a></script>",
            "|<p class=\"a>b\">1<2 & <scr",
            "<head>|</head><body onload='x'><head><meta http-equiv=content-security-policy content=\"frame-src x\">",
            "<head>|<script>var a = '</head><head>' + \"<p>\";</script><style>p > a {}</style><body>",
            "<head>|<title>half a tag at the end <div clas",
            "text only, <",
            "",
        ] {
            let (plain, expected) = (page.replace('|', ""), page.replace('|', TAG));
            for size in [1, 2, 3, 7, 64, 4096] {
                let woven = woven(plain.as_bytes(), size);
                assert_eq!(String::from_utf8_lossy(&woven), expected, "in pieces of {size}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_stay_as_they_are() {
        let page = b"<head><title>\xe9\xff\x00\x80</title><body>\xfe<p \xe9='\xff'>";
        let mut expected = page.to_vec();
        expected.splice(6..6, TAG.bytes());
        assert_eq!(woven(page, 5), expected);
        let utf16: Vec<u8> = "\u{feff}<head><p>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(woven(&utf16, 9), utf16);
    }

    #[test]
    fn a_policy_in_the_head_lets_the_dialog_in() {
        let page =
            "<head><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'self'; frame-src 'none'\">";
        let woven = String::from_utf8(woven(page.as_bytes(), 11)).expect("text");
        assert!(woven.contains("content=\"default-src 'self'; frame-src bank.example/.stepward/\""), "{woven}");
    }

    #[test]
    fn no_piece_waits_for_the_next() {
        let mut weaver = weaver();
        let first = weaver.next(Bytes::from_static(b"<head><title>a</title>"), false);
        assert!(first.ends_with(b"</title>"), "{first:?}");
        let second = weaver.next(Bytes::from_static(b"<body><p>b</p>"), false);
        assert_eq!(second, "<body><p>b</p>");
        let raw = Bytes::from_static(b"<p>c");
        let third = weaver.next(raw.clone(), false);
        assert_eq!(third.as_ptr(), raw.as_ptr(), "after the head nothing is copied");
    }

    #[test]
    fn a_tag_without_an_end_passes_as_it_is() {
        let page = format!("<head><title>x</title><link href=\"{}", "x".repeat(2 * TAG_BYTES_MAX));
        let woven = woven(page.as_bytes(), 4096);
        assert_eq!(String::from_utf8(woven).expect("text"), page.replacen("<head>", &format!("<head>{TAG}"), 1));
    }
}
