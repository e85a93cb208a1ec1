//! What policies name and nothing on this installation provides: an e-mail code without a mail server, a vendor's
//! attribute without a connector.
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
    registry::Target,
    settings::{ListKind, Settings},
};

/// What is missing; nothing where it is not known what there is.
#[derive(Clone, Debug, Default)]
pub struct Lacking {
    /// Methods that are built and cannot run for want of a setting.
    pub methods: BTreeSet<Method>,
    /// Attributes that are always unknown.
    pub attributes: BTreeSet<Arc<str>>,
}

impl Lacking {
    /// What these settings lack; `told` says which attributes some vendor tells.
    pub fn of(settings: &Settings, catalogue: &Catalogue, told: impl Fn(&str) -> bool) -> Lacking {
        let is_provided = |name: &str| told(name) || own(settings, name).unwrap_or(false);
        let missing = catalogue.all().filter(|it| match it.cost {
            // Known with the request or the session, but for how someone travelled.
            Cost::Free => own(settings, &it.name) == Some(false),
            Cost::Cheap | Cost::Paid => !is_provided(&it.name) && &*it.name != "device.is_known",
        });
        Lacking {
            methods: settings.mail.is_none().then_some(Method::EmailCode).into_iter().collect(),
            attributes: missing.map(|it| it.name.clone()).collect(),
        }
    }
}

/// Whether the operator's lists and databases tell an attribute; `None` for one that they never do.
fn own(settings: &Settings, name: &str) -> Option<bool> {
    let lists = |kind: ListKind| settings.lists.values().any(|list| list.kind == kind);
    match name {
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

/// A warning wherever one of these files names what is missing. The files have no errors; `policies` came of them.
pub fn warnings(sources: &[Source], policies: &[Policy], target: &Target) -> Vec<Diagnostic> {
    let Lacking { methods, attributes } = &target.lacking;
    let sources = concerned(sources, policies, &target.lacking);
    if sources.is_empty() {
        return Vec::new();
    }
    let there = target.catalogue.all().filter(|it| !attributes.contains(&it.name)).cloned();
    let options = Options { methods: &target.options.methods - methods, ..target.options.clone() };
    let (_, found) = compile::compile(&sources, &Catalogue::of(there), &options);
    let by_file: BTreeMap<&str, &str> = sources.iter().map(|source| (&*source.file, &*source.text)).collect();
    found.iter().filter_map(|finding| warning(finding, by_file.get(&*finding.file)?)).collect()
}

/// The policies that may name what is missing, and every flow: compiling the others once more would tell nothing.
fn concerned(sources: &[Source], policies: &[Policy], lacking: &Lacking) -> Vec<Source> {
    let names_method = |source: &Source| lacking.methods.iter().any(|method| source.text.contains(method.name()));
    let slots: BTreeMap<&str, &[Slot]> = policies.iter().map(|it| (&*it.file, &*it.slots)).collect();
    let is_flow = |source: &Source| !slots.contains_key(&*source.file);
    let some_flow_names_method = sources.iter().any(|source| is_flow(source) && names_method(source));
    let concerns = |source: &Source| {
        let Some(slots) = slots.get(&*source.file) else { return true };
        slots.iter().any(|slot| lacking.attributes.contains(&slot.name))
            || names_method(source)
            || (some_flow_names_method && source.text.contains("use:"))
    };
    sources.iter().filter(|source| concerns(source)).cloned().collect()
}

fn warning(finding: &Diagnostic, text: &str) -> Option<Diagnostic> {
    let name = text.get(finding.span.clone())?;
    let at = |code, message: String| Diagnostic::warning(code, &finding.file, finding.span.clone(), message);
    match finding.code {
        "method.not_built" => Some(
            at("method.needs_mail", format!("`{name}` cannot be asked for without `mail` in `stepward.yaml`"))
                .help("it is left out of what is offered; where nothing else can be, the request is blocked"),
        ),
        // Whoever writes `has(…)` has thought of its absence.
        "attribute.unknown" if !text.contains(&format!("has({name})")) => Some(
            at("attribute.not_provided", format!("nothing here tells `{name}`: it is always unknown")).help(how(name)),
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
        "ip.asn" | "ip.as_org" => "name an ASN database under `geo`; until then `when_unsure` decides",
        _ if name.starts_with("session.") => "name a city database under `geo`; until then `when_unsure` decides",
        "ip.country" | "ip.region" | "ip.city" | "ip.timezone" | "ip.latitude" | "ip.longitude" | "ip.accuracy_km" => {
            "name a city database under `geo`, or a connector; until then `when_unsure` decides"
        }
        _ => "a connector on a route could tell it; until then `when_unsure` decides",
    }
}
