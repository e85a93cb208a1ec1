//! What policies name and nothing on this installation provides: an e-mail code or a notice without a mail server, an
//! attribute of tokens where none are read, a vendor's attribute without a connector.
//!
//! It is found by compiling the set once more as if the missing did not exist, so that each finding stands where the
//! name stands. Such a policy loads all the same: what is missing is unknown, and never lets anyone in.

use std::{collections::BTreeSet, sync::Arc};

use stepward_core::{
    attribute::{Catalogue, Cost},
    diagnostic::Diagnostic,
    policy::compile::{self, Options, Source},
    session::Method,
};

use crate::{
    registry::{METHODS_BUILT, Target},
    settings::{ListKind, Settings, SubjectSource},
};

/// What is missing; nothing where it is not known what there is.
#[derive(Clone, Debug, Default)]
pub struct Lacking {
    /// Methods that are built and cannot run for want of a setting.
    pub methods: BTreeSet<Method>,
    /// Attributes that are always unknown.
    pub attributes: BTreeSet<Arc<str>>,
    /// Nobody can be written to.
    pub mail: bool,
}

impl Lacking {
    /// What these settings lack; `told` says which attributes some vendor tells.
    pub fn of(settings: &Settings, catalogue: &Catalogue, told: impl Fn(&str) -> bool) -> Lacking {
        let missing = catalogue.all().filter(|it| match it.cost {
            // Known with the request or the session, wherever that can have it.
            Cost::Free => own(settings, &it.name) == Some(false),
            Cost::Cheap | Cost::Paid => !told(&it.name) && own(settings, &it.name) != Some(true),
        });
        Lacking {
            methods: settings.mail.is_none().then_some(Method::EmailCode).into_iter().collect(),
            attributes: missing.map(|it| it.name.clone()).collect(),
            mail: settings.mail.is_none(),
        }
    }
}

/// Whether these settings let this gateway itself tell an attribute; `None` for one that no setting has to do with.
fn own(settings: &Settings, name: &str) -> Option<bool> {
    let lists = |kind: ListKind| settings.lists.values().any(|list| list.kind == kind);
    let reads_tokens = || settings.subject.iter().any(|source| matches!(source, SubjectSource::Jwt(_)));
    if let Some(method) = name.strip_prefix("proof.").and_then(|rest| Method::named(rest.strip_suffix(".age")?)) {
        let has_mail = method != Method::EmailCode || settings.mail.is_some();
        return Some(METHODS_BUILT.contains(&method) && has_mail);
    }
    match name {
        _ if name.starts_with("token.") || name.starts_with("actor.") => Some(reads_tokens()),
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

/// A warning wherever one of these files names what is missing. The files have no errors.
pub fn warnings(sources: &[Source], target: &Target) -> Vec<Diagnostic> {
    let Lacking { methods, attributes, mail } = &target.lacking;
    if methods.is_empty() && attributes.is_empty() && !mail {
        return Vec::new();
    }
    let there = target.catalogue.all().filter(|it| !attributes.contains(&it.name)).cloned();
    let options = Options {
        methods: &target.options.methods - methods,
        can_mail: target.options.can_mail && !mail,
        ..target.options.clone()
    };
    let (_, found) = compile::compile(sources, &Catalogue::of(there), &options);
    found.iter().filter_map(|finding| warning(finding, sources)).collect()
}

fn warning(finding: &Diagnostic, sources: &[Source]) -> Option<Diagnostic> {
    let text = &sources.iter().find(|source| source.file == finding.file)?.text;
    let name = text.get(finding.span.clone())?;
    let at = |code, message: String| Diagnostic::warning(code, &finding.file, finding.span.clone(), message);
    match finding.code {
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
        "proof.email_code.age" => "add `mail` to `stepward.yaml`; until then `when_unsure` decides",
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
