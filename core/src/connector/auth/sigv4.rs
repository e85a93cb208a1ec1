//! AWS Signature Version 4
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>).

use std::sync::Arc;

use data_encoding::HEXLOWER;

use crate::connector::{
    Origin,
    auth::hmac,
    document::auth::HmacAlgorithm,
    mapping::text::{percent_encoded, sha256_hex},
    request::{Draft, Values, pair},
    template::{Clock, Place, Template, Unfilled},
};

/// A compiled `aws_sigv4`.
#[derive(Debug)]
pub(crate) struct SigV4Rule {
    pub(crate) region: Template,
    pub(crate) service: Template,
    pub(crate) access_key: Template,
    pub(crate) secret_key: Template,
    pub(crate) session_token: Option<Template>,
}

impl SigV4Rule {
    pub(crate) fn sign(&self, draft: &mut Draft, origin: &Origin, values: &Values<'_>) -> Result<(), Unfilled> {
        let fill = |template: &Template| values.fill(template, Place::Header);
        let keys = Keys {
            region: &fill(&self.region)?,
            service: &fill(&self.service)?,
            access_key: &fill(&self.access_key)?,
            secret_key: &fill(&self.secret_key)?,
        };
        if let Some(Ok(token)) = self.session_token.as_ref().map(fill) {
            draft.headers.push(("x-amz-security-token".into(), token));
        }
        let stamp = Clock::Iso.write(values.asked.moment.now_ms).replace(['-', ':'], "");
        draft.headers.push(("x-amz-date".into(), stamp.clone()));
        let authorization = keys.authorization(draft, &origin.authority(), &stamp).ok_or(Unfilled::Refused)?;
        draft.headers.push(("authorization".into(), authorization));
        Ok(())
    }
}

/// What a signature is made with.
struct Keys<'a> {
    region: &'a str,
    service: &'a str,
    access_key: &'a str,
    secret_key: &'a str,
}

impl Keys<'_> {
    /// The `Authorization` header. `stamp` is `20150830T123600Z`.
    fn authorization(&self, draft: &Draft, authority: &str, stamp: &str) -> Option<String> {
        let day = stamp.get(..8)?;
        let mut headers: Vec<(String, String)> = vec![("host".to_owned(), authority.to_owned())];
        headers.extend(draft.media_type().map(|it| ("content-type".to_owned(), it)));
        let ours = |name: &Arc<str>| name.to_ascii_lowercase().starts_with("x-amz-");
        let mine = draft.headers.iter().filter(|(name, _)| ours(name));
        headers.extend(mine.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())));
        headers.sort_unstable();
        let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let fields: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let mut query: Vec<String> = draft.query.iter().map(|(name, value)| pair(name, value)).collect();
        query.sort_unstable();
        let (path, written) = draft.path.split_once('?').unwrap_or((&draft.path, ""));
        query.extend((!written.is_empty()).then(|| written.to_owned()));
        // Every service but S3 encodes the path once more.
        let path = match self.service {
            "s3" => path.to_owned(),
            _ => path.split('/').map(percent_encoded).collect::<Vec<_>>().join("/"),
        };
        let canonical = format!(
            "{}\n{path}\n{}\n{fields}\n{names}\n{}",
            draft.method.name(),
            query.join("&"),
            sha256_hex(&draft.bytes())
        );
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in [day, self.region, self.service, "aws4_request"] {
            key = hmac::hash(HmacAlgorithm::Sha256, &key, part.as_bytes())?;
        }
        let signature = HEXLOWER.encode(&hmac::hash(HmacAlgorithm::Sha256, &key, to_sign.as_bytes())?);
        let access_key = self.access_key;
        Some(format!("AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::{document::operation::Method, request::Body};

    fn draft(method: Method, query: &[(&str, &str)], body: Body, content_type: Option<&str>) -> Draft {
        let query = query.iter().map(|(name, value)| ((*name).into(), (*value).to_owned())).collect();
        let headers = vec![("X-Amz-Date".into(), "20150830T123600Z".to_owned())];
        Draft { method, path: "/".into(), query, headers, body, content_type: content_type.map(str::to_owned) }
    }

    fn signature(service: &str, draft: &Draft, authority: &str) -> String {
        let keys = Keys {
            region: "us-east-1",
            service,
            access_key: "AKIDEXAMPLE",
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        };
        let made = keys.authorization(draft, authority, "20150830T123600Z").unwrap();
        made.rsplit_once('=').unwrap().1.to_owned()
    }

    /// AWS's own test suite, `aws-sig-v4-test-suite`, and the example of the documentation.
    #[test]
    fn signatures_are_those_of_the_test_suite() {
        let form = || Body::Form(vec![("Param1".into(), "value1".into())]);
        for (name, draft, expected) in [
            (
                "get-vanilla",
                draft(Method::Get, &[], Body::None, None),
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-vanilla-query-order-key-case",
                draft(Method::Get, &[("Param2", "value2"), ("Param1", "value1")], Body::None, None),
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "post-vanilla",
                draft(Method::Post, &[], Body::None, None),
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-x-www-form-urlencoded",
                draft(Method::Post, &[], form(), None),
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            assert_eq!(signature("service", &draft, "example.amazonaws.com"), expected, "{name}");
        }
        let query = [("Action", "ListUsers"), ("Version", "2010-05-08")];
        let mut listing = draft(Method::Get, &query, Body::Text("", String::new()), None);
        listing.content_type = Some("application/x-www-form-urlencoded; charset=utf-8".into());
        assert_eq!(
            signature("iam", &listing, "iam.amazonaws.com"),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            "the example of the documentation"
        );
    }
}
