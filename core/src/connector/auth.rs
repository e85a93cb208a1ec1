//! How a request proves who sends it. Everything that needs no clock, no random number and no network is done here;
//! time and the random id come with the question.
//!
//! A key that is missing leaves its header out, so that a vendor that can do without it is asked without it; a
//! signature that cannot be made refuses the request.

use std::sync::Arc;

use crate::connector::{
    Origin,
    auth::{hmac::HmacRule, message::MessageRule, sigv4::SigV4Rule},
    request::{Body, Draft, Values},
    template::{Place, Template, Unfilled},
};

pub mod hmac;
pub mod message;
pub mod sigv4;
pub mod token;

/// One way of proving who calls.
#[derive(Debug)]
pub(crate) enum Credential {
    Header(Arc<str>, Template),
    Query(Arc<str>, Template),
    Body(Arc<str>, Template),
    Basic(Template, Template),
    Hmac(Box<HmacRule>),
    SigV4(Box<SigV4Rule>),
    Message(Box<MessageRule>),
}

/// A client certificate: templates of PEM texts.
#[derive(Debug)]
pub struct Certificate {
    pub(crate) cert: Template,
    pub(crate) key: Template,
    pub(crate) ca: Option<Template>,
}

impl Certificate {
    /// The certificate chain, its key and who may vouch for the vendor, in PEM; `None` where a secret is missing.
    pub fn reveal(&self, secrets: &super::Named) -> Option<(String, String, Option<String>)> {
        let fill = |template: &Template| template.fill(&|name| super::secret(name, secrets), Place::Plain).ok();
        let ca = match &self.ca {
            Some(ca) => Some(fill(ca)?),
            None => None,
        };
        Some((fill(&self.cert)?, fill(&self.key)?, ca))
    }
}

/// What is still to be done once a request is filled in.
#[derive(Default)]
pub(crate) struct Signed {
    pub(crate) basic: Option<(String, String)>,
    pub(crate) unsigned: Option<message::Unsigned>,
}

/// Applies every credential, those that sign after those that are merely put in.
pub(crate) fn apply(
    credentials: &[Credential],
    draft: &mut Draft,
    origin: &Origin,
    values: &Values<'_>,
) -> Result<Signed, Unfilled> {
    let mut signed = Signed::default();
    for credential in credentials {
        let filled = |template: &Template, place| match values.fill(template, place) {
            Ok(value) => Ok(Some(value)),
            Err(Unfilled::Missing) => Ok(None),
            Err(Unfilled::Refused) => Err(Unfilled::Refused),
        };
        match credential {
            Credential::Header(name, template) => {
                draft.headers.extend(filled(template, Place::Header)?.map(|value| (name.clone(), value)));
            }
            Credential::Query(name, template) => {
                draft.query.extend(filled(template, Place::Plain)?.map(|value| (name.clone(), value)));
            }
            Credential::Body(name, template) => {
                if let Some(value) = filled(template, Place::Plain)? {
                    into_body(&mut draft.body, name, value)?;
                }
            }
            Credential::Basic(user, password) => {
                signed.basic = filled(user, Place::Plain)?.zip(filled(password, Place::Plain)?);
            }
            Credential::Hmac(rule) => rule.headers(draft, values)?,
            Credential::SigV4(_) | Credential::Message(_) => {}
        }
    }
    for credential in credentials {
        match credential {
            Credential::Hmac(rule) => {
                if let Some(basic) = rule.sign(draft, origin, values)? {
                    signed.basic = Some(basic);
                }
            }
            Credential::SigV4(rule) => rule.sign(draft, origin, values)?,
            Credential::Message(rule) => signed.unsigned = rule.sign(draft, origin, values)?,
            Credential::Header(..) | Credential::Query(..) | Credential::Body(..) | Credential::Basic(..) => {}
        }
    }
    Ok(signed)
}

/// Puts a field into a form or a JSON object.
pub(crate) fn into_body(body: &mut Body, name: &Arc<str>, value: String) -> Result<(), Unfilled> {
    match body {
        Body::Form(pairs) => pairs.push((name.clone(), value)),
        Body::Json(serde_json::Value::Object(fields)) => {
            fields.insert(name.to_string(), value.into());
        }
        Body::None | Body::Json(_) | Body::Text(..) => return Err(Unfilled::Refused),
    }
    Ok(())
}
