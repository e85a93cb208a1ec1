//! What policies name and nothing on this installation provides: an e-mail code or a notice without a mail server, an
//! attribute of tokens where none are read, a vendor's attribute without a connector.
//!
//! It is found by compiling the policies that may name it once more as if it did not exist, so that each finding
//! stands where the name stands. Such a policy loads all the same: what is missing is unknown, and never lets anyone in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use stepward_core::{
    attribute::{Catalogue, Cost},
    diagnostic::Diagnostic,
    policy::{
        Policy, Slot,
        compile::{self, Options, Source},
    },
    session::Method,
};

use crate::{
    registry::{BY_VENDORS, METHODS_BUILT, Target},
    settings::{ListKind, Settings, SubjectSource},
};

/// What is missing; nothing where it is not known what there is.
#[derive(Clone, Debug, Default)]
pub struct Lacking {
    /// Methods that are built and cannot run for want of a setting.
    pub methods: BTreeSet<Method>,
    /// Attributes that are always unknown.
    pub attributes: BTreeSet<Arc<str>>,
    /// Attributes that nobody tells because a connector's file is refused, by that file; a policy that reads one does
    /// not load, for nobody has said that it may be unknown.
    pub lost: BTreeMap<Arc<str>, Arc<str>>,
    /// Nobody can be written to.
    pub mail: bool,
    /// Only a login tells who is asking: where no policy has one, nobody does.
    pub sources: bool,
}

impl Lacking {
    /// What these settings lack; `told` says which attributes some vendor tells.
    pub fn of(
        settings: &Settings,
        catalogue: &Catalogue,
        told: impl Fn(&str) -> bool,
        routed: &BTreeSet<Method>,
    ) -> Lacking {
        let own = |name: &str| own(settings, routed, name);
        let missing = catalogue.all().filter(|it| match it.cost {
            // Known with the request or the session, wherever that can have it.
            Cost::Free => own(&it.name) == Some(false),
            Cost::Cheap | Cost::Paid => !told(&it.name) && own(&it.name) != Some(true),
        });
        Lacking {
            methods: [Method::EmailCode, Method::Oidc].into_iter().filter(|it| !is_set_up(settings, *it)).collect(),
            attributes: missing.map(|it| it.name.clone()).collect(),
            lost: BTreeMap::new(),
            mail: settings.mail.is_none(),
            sources: !settings.subject.iter().any(names_subjects),
        }
    }

    /// Takes note of what is lost, unless these settings let this gateway tell it by itself.
    pub fn lose(&mut self, settings: &Settings, lost: &BTreeMap<Arc<str>, Arc<str>>) {
        let others = lost.iter().filter(|(name, _)| own(settings, &BTreeSet::new(), name) != Some(true));
        self.lost = others.map(|(name, file)| (name.clone(), file.clone())).collect();
    }

    /// The file that is refused and would tell this; `raw.<connector>` stands for all that it says in its own terms.
    fn file_of(&self, name: &str) -> Option<&Arc<str>> {
        let raw = || {
            let (id, _) = name.strip_prefix("raw.")?.split_once('.')?;
            self.lost.get(name.get(.."raw.".len() + id.len())?)
        };
        self.lost.get(name).or_else(raw)
    }
}

/// Whether these settings have what a method needs that only a setting makes possible.
fn is_set_up(settings: &Settings, method: Method) -> bool {
    match method {
        Method::EmailCode => settings.mail.is_some(),
        Method::Oidc => settings.oidc.is_some(),
        Method::Passkey => settings.passkeys.is_some(),
        Method::Approval => settings.approvals.is_some(),
        Method::Totp
        | Method::SmsCode
        | Method::VoiceCode
        | Method::Push
        | Method::RecoveryCode
        | Method::Pow
        | Method::Captcha
        | Method::IdDocument => true,
    }
}

/// Whether a source of subjects names them by itself, without a login that an event covers.
fn names_subjects(source: &SubjectSource) -> bool {
    match source {
        SubjectSource::Jwt(_) | SubjectSource::Header { .. } => true,
        SubjectSource::AppSession { .. } => false,
    }
}

/// Whether these settings let this gateway itself tell an attribute; `None` for one that no setting has to do with.
fn own(settings: &Settings, routed: &BTreeSet<Method>, name: &str) -> Option<bool> {
    let lists = |kind: ListKind| settings.lists.values().any(|list| list.kind == kind);
    let reads_tokens = || settings.subject.iter().any(|source| matches!(source, SubjectSource::Jwt(_)));
    if let Some(method) = name.strip_prefix("proof.").and_then(|rest| Method::named(rest.strip_suffix(".age")?)) {
        let is_there = match method {
            Method::EmailCode | Method::Oidc | Method::Passkey | Method::Approval => is_set_up(settings, method),
            method if BY_VENDORS.contains(&method) => routed.contains(&method),
            method => METHODS_BUILT.contains(&method),
        };
        return Some(is_there);
    }
    match name {
        _ if name.starts_with("token.") || name.starts_with("actor.") => Some(reads_tokens()),
        _ if name.starts_with("push_event.") => Some(settings.security_events.is_some()),
        "idp.risk_level" | "idp.risk_reasons" if settings.security_events.is_some() => Some(true),
        "subject.age_days" => Some(true),
        "subject.lists" | "subject.is_listed" => Some(lists(ListKind::Subject)),
        "device.lists" | "device.is_listed" => Some(lists(ListKind::Device)),
        "ip.lists" | "ip.is_listed" => Some(lists(ListKind::Ip)),
        "email.lists" | "email.is_listed" => Some(lists(ListKind::Email)),
        "ip.country"
        | "ip.region"
        | "ip.city"
        | "ip.timezone"
        | "ip.latitude"
        | "ip.longitude"
        | "ip.accuracy_km"
        | "session.impossible_travel"
        | "session.travel_speed_kmh" => Some(settings.geo.city.is_some()),
        "ip.asn" | "ip.as_org" => Some(settings.geo.asn.is_some()),
        _ => None,
    }
}

/// An error for every attribute that a policy reads and that is lost.
pub fn lost(sources: &[Source], policies: &[Policy], lacking: &Lacking) -> Vec<Diagnostic> {
    if lacking.lost.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for policy in policies {
        for slot in &policy.slots {
            let Some(file) = lacking.file_of(&slot.name) else { continue };
            let (read_in, span) = named_at(sources, &policy.file, &slot.name);
            let message = format!("nothing answers `{}`: `{file}` is refused", slot.name);
            let fault = Diagnostic::error("attribute.lost", read_in, span, message);
            found.push(fault.help("mend that file, or read the attribute no longer: it would always be unknown"));
        }
    }
    found
}

/// Where a name stands: in the policy itself, else in a flow that it uses.
fn named_at<'a>(sources: &'a [Source], policy: &'a Arc<str>, name: &str) -> (&'a Arc<str>, std::ops::Range<usize>) {
    let inside = |source: &'a Source| {
        let is_more = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.';
        let mut places = source.text.match_indices(name);
        let (at, _) = places.find(|(at, _)| {
            let (before, after) = (source.text.get(..*at), source.text.get(at + name.len()..));
            !before.is_some_and(|it| it.ends_with(is_more)) && !after.is_some_and(|it| it.starts_with(is_more))
        })?;
        Some((&source.file, at..at + name.len()))
    };
    let own = sources.iter().filter(|source| source.file == *policy);
    let others = sources.iter().filter(|source| source.file != *policy);
    own.chain(others).find_map(inside).unwrap_or((policy, 0..0))
}

/// A warning wherever one of these files names what is missing. The files have no errors; `policies` came of them.
pub fn warnings(sources: &[Source], policies: &[Policy], target: &Target) -> Vec<Diagnostic> {
    let lacking = &target.lacking;
    let signs_in = |policy: &Policy| policy.facts.iter().any(|fact| fact.identifies_subject);
    let has_nobody = lacking.sources && !policies.iter().any(signs_in);
    let is_missing = |name: &str| lacking.attributes.contains(name) || has_nobody && is_of_somebody(name);
    let sources = concerned(sources, policies, lacking, &is_missing);
    if sources.is_empty() {
        return Vec::new();
    }
    let there = target.catalogue.all().filter(|it| !is_missing(&it.name)).cloned();
    let options = Options {
        methods: &target.options.methods - &lacking.methods,
        can_mail: target.options.can_mail && !lacking.mail,
        ..target.options.clone()
    };
    let (_, found) = compile::compile(&sources, &Catalogue::of(there), &options);
    let by_file: BTreeMap<&str, &str> = sources.iter().map(|source| (&*source.file, &*source.text)).collect();
    found.iter().filter_map(|finding| warning(finding, by_file.get(&*finding.file)?)).collect()
}

/// The policies that may name what is missing, and every flow: compiling the others once more would tell nothing.
fn concerned(
    sources: &[Source],
    policies: &[Policy],
    lacking: &Lacking,
    is_missing: &dyn Fn(&str) -> bool,
) -> Vec<Source> {
    let names_missing = |source: &Source| {
        lacking.methods.iter().any(|method| source.text.contains(method.name()))
            || lacking.mail && source.text.contains("notify")
    };
    let slots: BTreeMap<&str, &[Slot]> = policies.iter().map(|it| (&*it.file, &*it.slots)).collect();
    let is_flow = |source: &Source| !slots.contains_key(&*source.file);
    let some_flow_names_missing = sources.iter().any(|source| is_flow(source) && names_missing(source));
    let concerns = |source: &Source| {
        let Some(slots) = slots.get(&*source.file) else { return true };
        slots.iter().any(|slot| is_missing(&slot.name))
            || names_missing(source)
            || (some_flow_names_missing && source.text.contains("use:"))
    };
    sources.iter().filter(|source| concerns(source)).cloned().collect()
}

/// Whether an attribute is unknown where nobody is ever verified; that nobody is, is known.
fn is_of_somebody(name: &str) -> bool {
    name.starts_with("subject.") && !["subject.is_known", "subject.is_verified"].contains(&name)
}

fn warning(finding: &Diagnostic, text: &str) -> Option<Diagnostic> {
    let name = text.get(finding.span.clone())?;
    let at = |code, message: String| Diagnostic::warning(code, &finding.file, finding.span.clone(), message);
    match finding.code {
        "method.not_built" if name == Method::Oidc.name() => Some(
            at("method.needs_oidc", format!("`{name}` cannot be asked for without `oidc` in `stepward.yaml`"))
                .help("name your identity provider there; without it the method is left out of what is offered, and where nothing else can be, the request is blocked"),
        ),
        "method.not_built" => Some(
            at("method.needs_mail", format!("`{name}` cannot be asked for without `mail` in `stepward.yaml`"))
                .help("it is left out of what is offered; where nothing else can be, the request is blocked"),
        ),
        "notify.needs_mail" => Some(
            at("notify.needs_mail", "`notify` reaches nobody without `mail` in `stepward.yaml`".into())
                .help("add `mail`, or leave `notify` out; the decision itself stays as it is"),
        ),
        // Whoever writes `has(…)` has thought of its absence.
        "attribute.unknown" if !text.contains(&format!("has({name})")) => Some(
            at("attribute.not_provided", format!("nothing here answers `{name}`: it is always unknown"))
                .help(how(name)),
        ),
        _ => None,
    }
}

fn how(name: &str) -> &'static str {
    match name {
        "ip.lists" | "ip.is_listed" => "name a list of `kind: ip` under `lists`; until then `when_unsure` decides",
        "email.lists" | "email.is_listed" => {
            "name a list of `kind: email` under `lists`; until then `when_unsure` decides"
        }
        "subject.lists" | "subject.is_listed" => {
            "name a list of `kind: subject` under `lists`; until then `when_unsure` decides"
        }
        "device.lists" | "device.is_listed" => {
            "name a list of `kind: device` under `lists`; until then `when_unsure` decides"
        }
        _ if name.starts_with("subject.") => {
            "name a source under `subject`, or mark the user name of a login with `identifies: subject`"
        }
        "proof.email_code.age" => "add `mail` to `stepward.yaml`; until then `when_unsure` decides",
        "proof.passkey.age" => "add `passkeys` to `stepward.yaml`; until then `when_unsure` decides",
        "proof.approval.age" => "add `approvals` to `stepward.yaml`; until then `when_unsure` decides",
        "proof.oidc.age" => "add `oidc` to `stepward.yaml`; until then `when_unsure` decides",
        "proof.sms_code.age" | "proof.voice_code.age" => {
            "add a connector that sends to `connectors/routes/otp.yaml`; until then `when_unsure` decides"
        }
        "proof.captcha.age" => {
            "add a connector with a page to `connectors/routes/bot_verify.yaml`; until then `when_unsure` decides"
        }
        "proof.id_document.age" => {
            "add a connector that starts a verification to `connectors/routes/idv.yaml`; until then `when_unsure` decides"
        }
        "proof.push.age" => {
            "add a connector that starts a push to `connectors/routes/push_mfa.yaml`; until then `when_unsure` decides"
        }
        _ if name.starts_with("proof.") => "this build cannot run that method; `when_unsure` decides",
        _ if name.starts_with("token.") || name.starts_with("actor.") => {
            "name a `jwt` under `subject`; until then `when_unsure` decides"
        }
        "ip.asn" | "ip.as_org" => "name an ASN database under `geo`; until then `when_unsure` decides",
        _ if name.starts_with("session.") => "name a city database under `geo`; until then `when_unsure` decides",
        "ip.country" | "ip.region" | "ip.city" | "ip.timezone" | "ip.latitude" | "ip.longitude" | "ip.accuracy_km" => {
            "name a city database under `geo`, or a connector; until then `when_unsure` decides"
        }
        _ => "a connector on a route could tell it; until then `when_unsure` decides",
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        registry::{self, folder::Set},
        settings::{self, Presence},
    };

    use super::*;

    /// The settings that every case has.
    const LEAST: &str = "listen: [{ address: \"127.0.0.1:0\" }]\nupstreams: { app: { url: \"http://127.0.0.1:1\" } }\nroutes: [{ upstream: app }]\n";

    /// Codes and names that are warned of where a rule names `condition`, with these settings besides.
    fn warned(more: &str, policy: &str) -> Vec<String> {
        let release = load(more, policy).unwrap();
        let at = |it: &Diagnostic| policy[it.span.clone()].to_string();
        release.found.iter().map(|it| format!("{} {}", it.code, at(it))).collect()
    }

    fn load(more: &str, policy: &str) -> Result<registry::Release, registry::Refusal> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stepward.yaml");
        std::fs::write(folder.path().join("list"), "").unwrap();
        std::fs::write(&path, format!("{LEAST}{more}\n")).unwrap();
        let loaded = settings::load(&path, Presence::Advised).unwrap_or_else(|it| panic!("{:?}", it.found));
        let target = Target::of(&loaded.settings, Catalogue::builtin(), |_| false, &BTreeSet::new());
        let texts = [("p.yaml".into(), policy.into())].into();
        registry::load(Set { texts, found: Vec::new() }, &target, 1, 0)
    }

    fn asks(condition: &str) -> String {
        format!(
            "event: e\ncovers: [GET /e]\nwhen_unsure: block\notherwise: block\nsteps:\n  - decide: d\n    rules:\n      - {{ rule: r, when: \"{condition}\", then: forward }}\n"
        )
    }

    #[test]
    fn what_a_setting_lets_us_answer_is_warned_of_where_the_setting_is_missing() {
        let subject = "subject: [{ header: { name: X-User } }]\ntrusted_proxies: [127.0.0.1/32]";
        let token = "subject: [{ jwt: { from: bearer, issuer: i, audience: a, jwks: \"https://i.example/jwks\" } }]";
        let provider = "oidc: { issuer: \"https://idp.example\", client_id: stepward, acr_values: [mfa] }";
        let mail = "mail: { smtp: \"smtp://127.0.0.1:25\", from: a@b.example }";
        let passkeys = "passkeys: { rp_id: localhost, origins: [\"http://localhost\"] }";
        for (name, condition, without, with) in [
            ("subject.is_listed", "subject.is_listed", subject, "lists: { l: { kind: subject, file: list } }"),
            ("device.lists", "size(device.lists) == 0", "", "lists: { l: { kind: device, file: list } }"),
            ("token.has_actor", "token.has_actor", subject, token),
            ("actor.kind", "actor.kind == 'agent'", subject, token),
            ("subject.age_days", "subject.age_days > 30.0", "", subject),
            ("subject.kind", "subject.kind == 'human'", "", subject),
            ("proof.email_code.age", "proof.email_code.age < duration('5m')", "", mail),
            ("proof.passkey.age", "proof.passkey.age < duration('5m')", "", passkeys),
            ("proof.oidc.age", "proof.oidc.age < duration('5m')", "", provider),
        ] {
            let told = warned(without, &asks(condition));
            assert_eq!(told, [format!("attribute.not_provided {name}")], "without {with}");
            let both = if with.starts_with("subject:") { with.to_string() } else { format!("{without}\n{with}") };
            assert!(
                warned(&both, &asks(condition)).is_empty(),
                "{name} with {with}: {:?}",
                warned(&both, &asks(condition))
            );
        }
        for condition in ["device.age_days > 30.0", "!subject.is_known", "ip.tries_5m < 3", "request.is_secure"] {
            assert!(warned("", &asks(condition)).is_empty(), "{condition} needs nothing");
        }
        assert_eq!(warned("", &asks("fraud.risk_score > 80.0")), ["attribute.not_provided fraud.risk_score"]);
        assert_eq!(
            warned(mail, &asks("proof.sms_code.age < duration('5m')")),
            ["attribute.not_provided proof.sms_code.age"]
        );
    }

    #[test]
    fn a_policy_that_asks_for_a_passkey_needs_their_settings() {
        let policy = asks("ip.tries_5m < 3").replace("when_unsure: block", "when_unsure: { challenge: [passkey] }");
        let refusal = load("", &policy).map(drop).unwrap_err();
        let told: Vec<_> = refusal.found.iter().map(|it| (it.code, it.help.as_deref().unwrap_or_default())).collect();
        assert!(matches!(told[..], [("method.not_built", help)] if help.contains("`stepward.yaml`")), "{told:?}");
        assert!(load("passkeys: { rp_id: a.example, origins: [\"https://a.example\"] }", &policy).is_ok());
    }

    #[test]
    fn a_login_that_names_its_subject_is_a_source_of_subjects() {
        let login = asks("subject.kind == 'human'").replace(
            "when_unsure",
            "facts: { user: { from: query.user, type: text, identifies: subject } }\nsucceeded: response.status == 200\nwhen_unsure",
        );
        assert!(warned("", &login).is_empty(), "{:?}", warned("", &login));
    }

    #[test]
    fn a_sign_in_at_a_provider_is_warned_of_where_none_is_named_and_loads() {
        let policy = asks("ip.tries_5m < 3").replace("then: forward", "then: { challenge: [totp, oidc] }");
        assert_eq!(warned("", &policy), ["method.needs_oidc oidc"]);
        let provider = "oidc: { issuer: \"https://idp.example\", client_id: stepward, acr_values: [mfa] }";
        assert!(warned(provider, &policy).is_empty(), "{:?}", warned(provider, &policy));
    }

    #[test]
    fn notify_without_mail_is_warned_of_and_loads() {
        let policy = asks("ip.tries_5m < 3").replace("then: forward", "then: forward, notify: subject");
        assert_eq!(warned("", &policy), ["notify.needs_mail subject"]);
        assert!(warned("mail: { smtp: \"smtp://127.0.0.1:25\", from: a@b.example }", &policy).is_empty());
    }
}
