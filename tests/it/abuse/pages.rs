//! Whatever a request, a policy or an operator says stands on a page, in a letter and in a problem document as text: no
//! markup comes of it (I3) and no template reads it a second time (I2).

use std::{cell::RefCell, collections::BTreeSet, sync::Arc};

use http::StatusCode;

use crate::{
    mailbox::Mailbox,
    visitor::{Seen, Visitor},
    world::{LOGIN, Town, World},
};

/// Markup for every place where a value can stand, and templates of every language that is anywhere near.
pub(super) const HOSTILE: &str = "x9</title></script></style></textarea><script>x9()</script><img src=x9 onerror=x9()><svg/onload=x9()>\
     <iframe srcdoc=x9></iframe><a href=javascript:x9()>x9</a><base href=//x9/><form action=//x9/><input autofocus onfocus=x9()>\
     \" onmouseover=x9() ' onclick=x9() `-x9()-` --><!--x9 ]]> &lt;x9&gt; \u{202e}x9\u{2066} {{31337*31337}} {{ t }} {% include \"base.html\" %} \
     {{ service.__class__ }} {#x9#} ${31337*31337} #{31337*31337} <%= 31337*31337 %> { $service } { title_gone } ${env:PATH} {{env.PATH}} $(id) %7B%7B31337*31337%7D%7D";
/// What `31337*31337` would come to.
const COMPUTED: &str = "982007569";

/// All that our pages are made of.
const ELEMENTS: &str = "html head meta title link script body main p h1 h2 div dl dt dd strong bdi code form input label button \
     details summary ul li a progress noscript img span";
const ATTRIBUTES: &str = "lang dir charset name content rel href src type class role id for method action value inputmode \
     autocomplete autocapitalize spellcheck maxlength required aria-describedby aria-invalid aria-label alt width height hidden \
     data-seed data-bits data-resume open target tabindex autofocus";

fn pay(proof: &str) -> String {
    format!(
        "event: 'pay <b>x9</b> {{{{31337*31337}}}} \"''x9'\ncovers: [POST /pay]\nfacts:\n  payee: {{ from: body.payee, type: text }}\n  amount: {{ from: body.amount, type: text }}\n\
         when_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: {proof}\n    bind_to: [event.payee, event.amount]\n    attempts: 3\n  - finish: pay\n    then: forward\n"
    )
}

const REFUSED: &str = "event: refused\ncovers: ['ANY /refused']\nwhen_unsure: block\notherwise: block\nsteps:\n  - finish: no\n    then: block\n    tell: refused.told\n";
const TOLD: &str =
    "tell_refused_told = <img src=x9 onerror=x9()> {\"{{31337*31337}}\"}\nfact_payee = <b onclick=x9()>Payee</b>\n";

pub(super) async fn town(mailbox: &Mailbox, proof: &str) -> Town {
    let service = "Bank <img src=x9 onerror=x9()> {{31337*31337}} { $service }";
    World::new()
        .policy(LOGIN)
        .policy(&pay(proof))
        .policy(REFUSED)
        .file("words/en.ftl", TOLD)
        .settings(&format!("pages: {{ service_name: '{service}', locales: words }}"))
        .settings("trusted_proxies: [127.0.0.0/8]")
        .mail(mailbox.address)
        .start()
        .await
}

/// Elements and attributes of a page as a parser of HTML finds them.
fn parts(html: &str) -> (BTreeSet<String>, Vec<(String, String)>) {
    let (elements, attributes) = (RefCell::new(BTreeSet::new()), RefCell::new(Vec::new()));
    let look = lol_html::element!("*", |element| {
        elements.borrow_mut().insert(element.tag_name());
        for attribute in element.attributes() {
            attributes.borrow_mut().push((attribute.name(), attribute.value()));
        }
        Ok(())
    });
    lol_html::rewrite_str(html, lol_html::RewriteStrSettings::new().append_element_content_handler(look)).unwrap();
    (elements.into_inner(), attributes.into_inner())
}

/// A page, or a problem document, that nothing hostile has become part of.
fn is_clean(seen: &Seen, what: &str) {
    let kind = seen.headers.get("content-type").map_or("", |it| it.to_str().unwrap());
    assert!(!seen.text.contains(COMPUTED), "{what}: a template was read twice: {}", seen.text);
    assert!(!seen.text.contains("PATH=") && !seen.text.contains("/usr/bin"), "{what}: {}", seen.text);
    for (name, value) in &seen.headers {
        let value = value.to_str().unwrap();
        match name.as_str() {
            "location" => {
                let is_plain = |it: char| it.is_ascii_alphanumeric() || "-._~/?&=%+*".contains(it);
                assert!(value.starts_with('/') && value.chars().all(is_plain), "{what}: {value}");
            }
            _ => assert!(!value.contains("x9"), "{what}: {name}: {value}"),
        }
    }
    match kind.split(';').next().unwrap() {
        "text/html" => {
            let (elements, attributes) = parts(&seen.text);
            let known: BTreeSet<&str> = ELEMENTS.split_whitespace().collect();
            let strange: Vec<_> = elements.iter().filter(|it| !known.contains(it.as_str())).collect();
            assert!(strange.is_empty(), "{what}: {strange:?} in {}", seen.text);
            let known: BTreeSet<&str> = ATTRIBUTES.split_whitespace().collect();
            let strange: Vec<_> = attributes.iter().filter(|(name, _)| !known.contains(name.as_str())).collect();
            assert!(strange.is_empty(), "{what}: {strange:?} in {}", seen.text);
            for (name, value) in
                attributes.iter().filter(|(name, _)| ["href", "src", "action"].contains(&name.as_str()))
            {
                let value = value.replace("&#x2f;", "/");
                assert!(value.starts_with('/') && !value.starts_with("//"), "{what}: {name}={value}");
            }
            let targets = attributes.iter().filter(|(name, _)| name == "target");
            assert!(targets.clone().all(|(_, value)| value == "_top"), "{what}: {targets:?}");
            assert_eq!(seen.text.matches("<script").count(), 1, "{what}: our one script: {}", seen.text);
            let policy = seen.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{what}: {policy}");
        }
        "application/problem+json" | "application/json" => drop(seen.json()),
        "text/plain" | "" => assert!(seen.text.is_empty() || seen.text == "app", "{what}: {}", seen.text),
        other => panic!("{what}: {other}"),
    }
}

/// Parameters that our pages read, and ones that others read.
const READ: [&str; 6] = ["lang", "m", "e", "x", "invite", "code"];
const OTHERS: [&str; 6] = ["next", "event", "error", "tell", "resume", "id"];

/// The same value in a query, as a browser would send it.
fn query(names: [&str; 6]) -> String {
    let value: String = form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    names.map(|name| format!("{name}={value}")).join("&")
}

/// A browser that says it in every header field that a page or a log might quote.
fn talker(town: &Town) -> Visitor {
    let mut visitor = town.visitor();
    let ascii: String = HOSTILE.chars().filter(char::is_ascii).collect();
    for name in [
        "user-agent",
        "accept-language",
        "x-forwarded-for",
        "x-forwarded-host",
        "forwarded",
        "x-request-id",
        "traceparent",
    ] {
        visitor.headers.push((name, ascii.clone()));
    }
    visitor
}

#[tokio::test]
async fn i2_i3_whatever_is_said_anywhere_stays_text_on_every_page() {
    let mailbox = Mailbox::open().await;
    let town = town(&mailbox, "[totp, email_code, recovery_code, pow]").await;
    town.email("ada", "ada@mail.example").await;
    let mut ada = talker(&town);
    town.sign_in(&mut ada, "ada").await;
    let (query, others) = (query(READ), query(OTHERS));
    let form = [("payee", HOSTILE), ("amount", HOSTILE)];
    let asked = ada.post(&format!("/pay?{query}"), &form).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    is_clean(&asked, "asked");
    let page = asked.location().to_string();
    for method in ["totp", "email_code", "recovery_code", "pow"] {
        for address in [
            format!("{page}?m={method}"),
            format!("{page}?m={method}&{query}"),
            format!("{page}?{query}&m={method}"),
            format!("{page}?m={method}&{others}"),
        ] {
            let shown = ada.get(&address).await;
            assert_eq!(shown.status, StatusCode::OK, "{method}: {}", shown.text);
            assert!(shown.text.contains("x9"), "{method}: the values are shown: {}", shown.text);
            is_clean(&shown, method);
        }
    }
    for answer in [
        vec![("method", "totp"), ("code", HOSTILE)],
        vec![("method", HOSTILE), ("code", HOSTILE)],
        vec![("method", "recovery_code"), ("code", HOSTILE), (HOSTILE, HOSTILE)],
    ] {
        let answered = ada.post(&format!("{page}?{query}"), &answer).await;
        is_clean(&answered, "answered");
        let next = answered.location().to_string();
        if !next.is_empty() {
            is_clean(&ada.get(&next).await, "after an answer");
        }
    }
    let secret = town.totp("ada").await;
    let code = town.code(&secret);
    let proven = ada.post(&page, &[("method", "totp"), ("code", &code)]).await;
    assert!(proven.location().ends_with("/continue"), "{} {}", proven.status, proven.text);
    let onward = ada.get(&format!("{}?{query}", proven.location())).await;
    assert!(onward.text.contains("stepward_resume="), "{}", onward.text);
    is_clean(&onward, "confirmed");
    for path in ["nothing", "methods", "methods/totp/x", "methods/recovery/x", "c/x", "c/<script>", "page.css/x"] {
        is_clean(&ada.get(&format!("/.stepward/{path}?{query}")).await, path);
    }
    let enrol = ada.post(&format!("/.stepward/methods/totp?{query}"), &[]).await;
    is_clean(&enrol, "enrol");
    assert!(enrol.location().starts_with("/.stepward/methods/totp/"), "{} {}", enrol.status, enrol.location());
    let enrol = enrol.location().to_string();
    is_clean(&ada.get(&enrol).await, "a secret to scan");
    is_clean(&ada.post(&enrol, &[("code", HOSTILE)]).await, "a wrong first code");
    let codes = ada.post(&format!("/.stepward/methods/recovery?{query}"), &[]).await;
    is_clean(&codes, "recovery");
    let codes = codes.location().to_string();
    is_clean(&ada.get(&codes).await, "recovery codes");
    is_clean(&ada.post(&format!("/.stepward/methods/remove?{query}"), &[("id", HOSTILE)]).await, "remove");
    for accept in ["text/html", "application/json", HOSTILE] {
        let ascii: String = accept.chars().filter(char::is_ascii).collect();
        ada.headers.retain(|(name, _)| !["accept", "sec-fetch-mode"].contains(name));
        ada.headers.push(("accept", ascii));
        let refused = ada.get(&format!("/refused?{query}")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
        assert!(refused.text.contains("x9"), "what the operator tells is told: {}", refused.text);
        is_clean(&refused, "refused");
        is_clean(&ada.post(&format!("/pay?{query}"), &form).await, "asked as a program");
        is_clean(&ada.get(&format!("/page?stepward_resume={query}")).await, "resumed");
    }
    let letters = mailbox.letters();
    assert!(letters.iter().all(|it| !it.text.contains(COMPUTED) && !it.text.contains("PATH=")), "{letters:?}");
    let said = town.decisions().iter().map(ToString::to_string).collect::<String>();
    assert!(!said.contains(COMPUTED), "{said}");
}

/// A letter is text, and none of its lines is made by whoever asked for it.
#[tokio::test]
async fn i2_i3_a_letter_says_what_was_typed_in_one_line_and_no_header_comes_of_it() {
    let mailbox = Mailbox::open().await;
    let town = town(&mailbox, "[email_code]").await;
    town.email("ada", "ada@mail.example").await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let payee = format!("{HOSTILE}\r\nBcc: mallory@evil.example\r\n\r\nYour code is\n\n  000000\n.\nQUIT");
    let asked = ada.post("/pay", &[("payee", &payee), ("amount", "9")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    mailbox.code(1).await;
    let letters = mailbox.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].to, "ada@mail.example");
    let text = &letters[0].text;
    assert!(text.contains("{{31337*31337}}") && !text.contains(COMPUTED), "{text}");
    for line in text.lines() {
        let line = line.trim();
        assert!(!line.starts_with("Bcc:") && line != "000000" && line != "QUIT", "{text}");
    }
}

/// What a locale's message takes in is not looked at for places to fill (Fluent), nor for markup (the template).
#[test]
fn i2_an_operators_words_and_a_clients_language_are_no_templates() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("en.ftl"), TOLD).unwrap();
    let locales = stepward::locale::Locales::load("en", Some(folder.path())).unwrap();
    for asked in [HOSTILE, "../en", "en/../../x", "en\u{0}", "", "en-{{31337*31337}}", "x-<b>"] {
        let locale = locales.choose("default", Some(asked), Some(asked));
        assert!(["en", "de", "ar"].contains(&&*locale.tag) || locale.tag.len() <= 3, "{asked:?}: {}", locale.tag);
        let mut args = fluent_bundle::FluentArgs::new();
        args.set("service", HOSTILE);
        let said = locale.say("why", &args);
        assert!(said.contains("{ $service }") && said.contains("{ title_gone }") && !said.contains(COMPUTED), "{said}");
    }
    let told: Arc<str> = locales.choose("default", None, None).text("tell_refused_told").into();
    assert!(told.contains("{{31337*31337}}"), "{told}");
}
