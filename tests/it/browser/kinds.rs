//! Every kind of page as it stands, in every language, for a look by axe: the templates that there are, with each
//! method that there is, asked, sent and after a slip. A template or method that is added is among them by itself.

use std::sync::Arc;

use axum::http::StatusCode;
use minijinja::{Value, context};
use stepward::{
    challenges::page::{Pages, Voice, templates},
    locale::{self, Locale, Locales},
    registry::METHODS_BUILT,
    reply::Reply,
    settings::pages::{self, document, logo::Logo, theme::Theme},
};
use stepward_core::session::Method;

const PICTURE: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'/%3E";
const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="150" height="40" viewBox="0 0 150 40"><path d="M4 32V18l14-10 14 10v14z" fill="#0a7d5a"/><path d="M44 14h60v5H44zm0 10h90v5H44z" fill="#5c8f7f"/></svg>"##;

/// Pages as they are, and as a tenant with a theme has them.
pub(super) struct Kinds {
    pages: Pages,
    locales: Locales,
}

impl Kinds {
    pub(super) fn new() -> Self {
        let theme = document::Theme {
            light: document::Colours {
                accent: Some("#0a6b4d".into()),
                page: Some("#eef5f1".into()),
                ..Default::default()
            },
            dark: document::Colours { accent: Some("#7fd8b8".into()), ..Default::default() },
            radius: Some("14px".into()),
            ..Default::default()
        };
        let logo = Logo { bytes: LOGO.into(), media_type: "image/svg+xml", extension: "svg" };
        let theme = Theme { css: pages::theme::css(&theme).into(), logo: Some(Arc::new(logo)), logo_dark: None };
        let settings = pages::Pages {
            service_name: "Tiny Bank".into(),
            themes: [("themed".into(), Arc::new(theme))].into(),
            ..Default::default()
        };
        Kinds { pages: Pages::new(&settings).unwrap(), locales: Locales::load("en", None).unwrap() }
    }

    /// A file of a theme.
    pub(super) fn file(&self, name: &str) -> Option<Reply> {
        self.pages.file(name)
    }

    /// Every kind by name, one a line, and every language, in a first line.
    pub(super) fn list(&self) -> String {
        let languages: Vec<&str> = self.locales.tags().collect();
        let names = every(&self.voice("default", "en")).into_iter().map(|(name, ..)| name);
        std::iter::once(languages.join(" ")).chain(names).collect::<Vec<_>>().join("\n")
    }

    /// A kind in a language, for a tenant.
    pub(super) fn show(&self, tenant: &str, tag: &str, name: &str) -> Option<Reply> {
        let voice = self.voice(tenant, tag);
        let (_, template, title, content) = every(&voice).into_iter().find(|(it, ..)| it == name)?;
        Some(self.pages.render(&voice, StatusCode::OK, &template, &voice.text(title), content))
    }

    fn voice(&self, tenant: &str, tag: &str) -> Voice {
        self.pages.voice(tenant, self.locales.choose(tenant, Some(tag), None))
    }
}

/// Name, template, key of the title and content of each kind.
fn every(locale: &Locale) -> Vec<(String, String, &'static str, Value)> {
    let mut kinds = Vec::new();
    let names: Vec<String> = templates::built_in().unwrap().templates().map(|(name, _)| name.to_string()).collect();
    for template in names.into_iter().filter(|it| it != "base.html") {
        let stem = template.trim_end_matches(".html").to_string();
        let with = |variants: Vec<(String, &'static str, Value)>| {
            let of = |(name, title, content): (String, &'static str, Value)| {
                (format!("{stem}{name}"), template.clone(), title, content)
            };
            variants.into_iter().map(of).collect::<Vec<_>>()
        };
        kinds.extend(match stem.as_str() {
            "challenge" => with(challenges(locale)),
            "notice" => with(vec![
                (String::new(), "title_refused", context! { text => locale.text("refused"), reference => "01JREFUS" }),
                ("-locked".into(), "title_locked", locked(locale)),
            ]),
            "confirmed" => with(vec![
                (String::new(), "title_confirmed", confirmed(locale, Some("/nowhere"))),
                ("-already".into(), "title_confirmed", confirmed(locale, None)),
            ]),
            "methods" => with(vec![
                (String::new(), "title_methods", methods(locale, false)),
                ("-several".into(), "title_methods", methods(locale, true)),
                (
                    "-slip".into(),
                    "title_methods",
                    context! { error => locale.text("passkey_failed"), ..methods(locale, true) },
                ),
                ("-none".into(), "title_methods", context! { base => "/nowhere", suffix => "" }),
            ]),
            "enrol" => with(vec![
                (String::new(), "title_add_totp", enrol(locale, false)),
                ("-slip".into(), "title_add_totp", enrol(locale, true)),
            ]),
            "passkey" => with(vec![
                (String::new(), "add_passkey", passkey(locale, false)),
                ("-slip".into(), "add_passkey", passkey(locale, true)),
            ]),
            "approval" => with(vec![
                (String::new(), "title_approval", approval(locale, Some(OPTIONS))),
                (
                    "-slip".into(),
                    "title_approval",
                    context! { error => locale.text("passkey_wrong"), ..approval(locale, Some(OPTIONS)) },
                ),
                ("-without".into(), "title_approval", approval(locale, None)),
                (
                    "-over".into(),
                    "title_approval",
                    context! { over => locale.text("approval_withdrawn"), ..approval(locale, None) },
                ),
            ]),
            "approvals" => {
                let it = approval(locale, None);
                let entry = context! { href => "/nowhere", ..it };
                with(vec![
                    (String::new(), "title_approvals", context! { entries => vec![entry.clone(), entry] }),
                    ("-none".into(), "title_approvals", context! { entries => Vec::<Value>::new() }),
                ])
            }
            "recovery" => {
                let codes = vec!["k3vq-8m2x-7hwd-5tzn"; 10];
                with(vec![(String::new(), "title_recovery", context! { codes, next => "/nowhere" })])
            }
            "landing" => {
                let content = context! { go_on => say(locale, "continue_to"), next => "/nowhere" };
                with(vec![(String::new(), "title_confirmed", content)])
            }
            // One that was added since: shown with everything that pages are given.
            _ => with(vec![(String::new(), "title_confirm", asked(locale, stem_static(&stem), Stage::Sent))]),
        });
    }
    kinds
}

/// What an approver is shown.
fn approval(locale: &Locale, passkey: Option<&'static str>) -> Value {
    context! {
        who => "ada@bank.example", event => locale.text("event_transfer_money"), when => say(locale, "approval_times"), passkey,
        action => "/nowhere", back => "/nowhere", reference => "01JAPPRO",
        shown => vec![vec![locale.text("fact_amount"), "12500.75".into()], vec![locale.text("fact_payee"), "DE89370400440532013000".into()]],
    }
}

/// A method's name for a template that is called after it.
fn stem_static(stem: &str) -> &'static str {
    METHODS_BUILT.iter().map(|it| it.name()).find(|it| *it == stem).unwrap_or("totp")
}

/// How far somebody has come with a method.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Asked,
    Sent,
    Slip,
    /// Begun at a vendor, who has not said how it stands.
    Pending,
    /// The same, where the vendor's part is in the page.
    Embedded,
    /// A person at the vendor looks at it.
    Review,
}

fn challenges(locale: &Locale) -> Vec<(String, &'static str, Value)> {
    let stages = |method: Method| match method {
        Method::EmailCode | Method::SmsCode | Method::VoiceCode => vec![("-sent", Stage::Sent)],
        Method::IdDocument => {
            vec![("-pending", Stage::Pending), ("-embedded", Stage::Embedded), ("-review", Stage::Review)]
        }
        Method::Push | Method::Approval => vec![("-pending", Stage::Pending)],
        Method::Passkey | Method::Totp | Method::RecoveryCode | Method::Pow => Vec::new(),
        Method::Captcha | Method::Oidc => Vec::new(),
    };
    let every = METHODS_BUILT.iter().flat_map(|method| {
        let ends = [("", Stage::Asked), ("-slip", Stage::Slip)];
        ends.into_iter().chain(stages(*method)).map(|(end, stage)| (method.name(), end, stage))
    });
    every.map(|(name, end, stage)| (format!("-{name}{end}"), "title_confirm", asked(locale, name, stage))).collect()
}

/// What a browser is asked about passkeys; long enough to be real.
const OPTIONS: &str = r#"{"challenge":"AAAAAAAAAAAAAAAAAAAAAA","rpId":"localhost","timeout":300000,"user":{"id":"AAAA","name":"ada","displayName":"ada"}}"#;

fn asked(locale: &Locale, method: &'static str, stage: Stage) -> Value {
    let others = METHODS_BUILT.iter().filter(|it| it.name() != method);
    let others: Vec<Value> =
        others.map(|it| context! { href => "/nowhere", label => locale.text(&format!("way_{}", it.name())) }).collect();
    let names = [("fact_amount", locale.number("12500.75")), ("fact_payee", "DE89 3704 0044 0532 0130 00".to_string())];
    let shown: Vec<Vec<String>> = names.into_iter().map(|(key, value)| vec![locale.text(key), value]).collect();
    let is_slip = stage == Stage::Slip;
    let is_typed = matches!(stage, Stage::Sent | Stage::Slip) || ["totp", "recovery_code"].contains(&method);
    context! {
        error => is_slip.then(|| locale.text("wrong")), sent => is_slip || stage == Stage::Sent, method, action => "/nowhere",
        why => say(locale, "why"), event => locale.text("event_transfer_money"), tell => is_slip.then(|| locale.text("tell_login_unusual")),
        shown, others, reference => "01JDECIS", seed => "seed", bits => 1, enrol => is_slip,
        passkey => (method == "passkey").then_some(OPTIONS), autofill => is_typed.then_some("/nowhere"),
        verification => ["id_document", "push", "approval"].contains(&method).then(|| verification(method, stage)),
        captcha => (method == "captcha").then(|| context! {
            vendor => "robots", script => "/.stepward/page.js", other => "/nowhere", snippet => Value::from_safe_string(WIDGET.into()),
        }),
    }
}

/// What a vendor's script puts into a page.
const WIDGET: &str = r#"<p class="test"><label><input type="checkbox" name="token" value="1"> CAPTCHA</label></p>"#;

fn verification(method: &str, stage: Stage) -> Value {
    let embed = context! { script => "/.stepward/page.js", snippet => Value::from_safe_string(WIDGET.into()) };
    context! {
        stage => match stage {
            Stage::Asked | Stage::Sent | Stage::Slip => "start",
            Stage::Pending | Stage::Embedded => "pending",
            Stage::Review => "review",
        },
        number => (method == "push").then_some("42"), leads_away => stage == Stage::Pending && method == "id_document",
        embed => (stage == Stage::Embedded).then_some(embed), again => "/nowhere?m=x",
    }
}

fn say(locale: &Locale, key: &str) -> String {
    let mut args = fluent_bundle::FluentArgs::new();
    args.set("service", "Tiny Bank");
    args.set("minutes", 3);
    args.set("left", 8);
    args.set("date", "2026-11-22");
    args.set("label", "my laptop");
    args.set("asked", "2026-11-22 09:30 UTC");
    args.set("until", "2026-11-22 09:45 UTC");
    locale.say(key, &args)
}

fn locked(locale: &Locale) -> Value {
    context! { text => locale.text("refused_locked"), detail => say(locale, "retry_in"), reference => "01JLOCKD" }
}

fn confirmed(locale: &Locale, target: Option<&'static str>) -> Value {
    context! { text => locale.text("confirmed_go_on"), go_on => say(locale, "continue_to"), target => target }
}

/// What is set up: one app, or several kinds where passkeys can be added.
fn methods(locale: &Locale, several: bool) -> Value {
    let one = |method: &str, remove: &str| context! { id => "x", label => say(locale, method), remove => say(locale, remove) };
    let mut authenticators = vec![one("method_totp", "remove_totp")];
    if several {
        authenticators.push(one("method_passkey", "remove_passkey"));
        authenticators.push(one("method_passkey_named", "remove_passkey_named"));
    }
    context! { authenticators, passkeys => several, recovery => say(locale, "method_recovery"), base => "/nowhere", suffix => "" }
}

fn passkey(locale: &Locale, is_slip: bool) -> Value {
    let error = is_slip.then(|| locale.text("passkey_failed"));
    context! { options => OPTIONS, label_max => 40, action => "/nowhere", back => "/nowhere", error }
}

fn enrol(locale: &Locale, is_slip: bool) -> Value {
    let error = is_slip.then(|| locale.text("wrong"));
    context! { picture => PICTURE, key => "JBSW Y3DP EHPK 3PXP", action => "/nowhere", error }
}

#[test]
fn every_language_says_every_page_without_a_gap() {
    let kinds = Kinds::new();
    for (tag, _) in locale::BUILT_IN {
        for (name, ..) in every(&kinds.voice("default", "en")) {
            let reply = kinds.show("default", tag, &name).unwrap();
            assert_eq!(reply.status, StatusCode::OK, "{name} in {tag} cannot be rendered");
            let html = String::from_utf8(reply.body.to_vec()).unwrap();
            assert!(html.contains(&format!("<html lang=\"{tag}\"")), "{name} in {tag}");
            assert!(
                !html.contains("{$") && !html.contains("{ $"),
                "{name} in {tag} has something not filled in: {html}"
            );
            assert!(html.contains("href=\"/") || html.contains("action="), "{name} in {tag} is a dead end");
        }
    }
}
