//! A keyed hash (RFC 2104) over a text made of parts of the request, as a template says.

use std::{borrow::Cow, sync::Arc};

use ::hmac::{Hmac, KeyInit as _, Mac as _};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

use crate::connector::{
    Origin,
    auth::into_body,
    document::auth::{Encoding, HmacAlgorithm, KeyEncoding},
    mapping::text,
    request::{Body, Draft, Templates, Values, pair},
    template::{Name, Piece, Place, Template, Unfilled},
};

/// A compiled `hmac`.
#[derive(Debug)]
pub(crate) struct HmacRule {
    pub(crate) algorithm: HmacAlgorithm,
    pub(crate) key: Template,
    pub(crate) key_encoding: KeyEncoding,
    pub(crate) string_to_sign: Template,
    pub(crate) encoding: Encoding,
    pub(crate) put: Put,
    pub(crate) value: Template,
    pub(crate) headers: Templates,
}

/// Where the hash goes.
#[derive(Debug)]
pub(crate) enum Put {
    Header(Arc<str>),
    Query(Arc<str>),
    Body(Arc<str>),
    /// As the password after this name.
    Basic(Template),
}

impl HmacRule {
    pub(crate) fn headers(&self, draft: &mut Draft, values: &Values<'_>) -> Result<(), Unfilled> {
        draft.headers.extend(values.pairs(&self.headers, Place::Header)?);
        Ok(())
    }

    /// Signs; what comes out is a basic credential, where the hash is one.
    pub(crate) fn sign(
        &self,
        draft: &mut Draft,
        origin: &Origin,
        values: &Values<'_>,
    ) -> Result<Option<(String, String)>, Unfilled> {
        let key = values.fill(&self.key, Place::Plain)?;
        let key = match self.key_encoding {
            KeyEncoding::Text => key.into_bytes(),
            KeyEncoding::Hex => HEXLOWER_PERMISSIVE.decode(key.as_bytes()).map_err(|_| Unfilled::Refused)?,
            KeyEncoding::Base64 => text::base64_bytes(&key).ok_or(Unfilled::Refused)?,
        };
        let value = |name: &Name| match name {
            Name::Request(piece) => piece_of(draft, origin, piece).map(Cow::Owned),
            other => values.get(other),
        };
        let message = self.string_to_sign.fill(&value, Place::Plain)?;
        let hash = hash(self.algorithm, &key, message.as_bytes()).ok_or(Unfilled::Refused)?;
        let signature = match self.encoding {
            Encoding::Hex => HEXLOWER.encode(&hash),
            Encoding::Base64 => text::base64(&hash),
        };
        let value = |name: &Name| match name {
            Name::Signature => Some(Cow::Borrowed(signature.as_str())),
            other => values.get(other),
        };
        match &self.put {
            Put::Header(name) => draft.headers.push((name.clone(), self.value.fill(&value, Place::Header)?)),
            Put::Query(name) => draft.query.push((name.clone(), self.value.fill(&value, Place::Plain)?)),
            Put::Body(name) => into_body(&mut draft.body, name, self.value.fill(&value, Place::Plain)?)?,
            Put::Basic(user) => {
                return Ok(Some((values.fill(user, Place::Plain)?, self.value.fill(&value, Place::Plain)?)));
            }
        }
        Ok(None)
    }
}

/// A keyed hash; `None` only for keys that no HMAC takes, and there are none.
pub(crate) fn hash(algorithm: HmacAlgorithm, key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    Some(match algorithm {
        HmacAlgorithm::Sha1 => {
            Hmac::<sha1::Sha1>::new_from_slice(key).ok()?.chain_update(message).finalize().into_bytes().to_vec()
        }
        HmacAlgorithm::Sha256 => {
            Hmac::<sha2::Sha256>::new_from_slice(key).ok()?.chain_update(message).finalize().into_bytes().to_vec()
        }
        HmacAlgorithm::Sha512 => {
            Hmac::<sha2::Sha512>::new_from_slice(key).ok()?.chain_update(message).finalize().into_bytes().to_vec()
        }
    })
}

/// A part of the request as it will be sent; `None` where the body is no text.
fn piece_of(draft: &Draft, origin: &Origin, piece: &Piece) -> Option<String> {
    let target = || draft.target();
    Some(match piece {
        Piece::Method => draft.method.name().to_owned(),
        Piece::Host => origin.authority(),
        Piece::Path => target().split('?').next().unwrap_or_default().to_owned(),
        Piece::Query => target().split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default(),
        Piece::PathQuery => target(),
        Piece::Params => {
            let form = match &draft.body {
                Body::Form(pairs) => pairs.as_slice(),
                Body::None | Body::Json(_) | Body::Text(..) => &[],
            };
            let mut pairs: Vec<(&Arc<str>, &String)> =
                draft.query.iter().chain(form).map(|(name, value)| (name, value)).collect();
            pairs.sort_unstable();
            pairs.iter().map(|(name, value)| pair(name, value)).collect::<Vec<_>>().join("&")
        }
        Piece::Body => String::from_utf8(draft.bytes()).ok()?,
        Piece::Header(name) => draft.header(name).unwrap_or_default(),
        Piece::Timestamp => return None,
    })
}
