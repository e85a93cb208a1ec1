//! Requests of every kind of body and of every way to sign, held to what vendors ask for.

use super::*;
use crate::connector::{
    Named, Prepared,
    auth::hmac,
    document::auth::HmacAlgorithm,
    mapping::text,
    request::{Asked, Moment},
};

const NOW_MS: i64 = 1_767_225_600_000;
const UUID: &str = "9f0c6b7e-0000-4000-8000-000000000000";

fn named(pairs: &[(&str, &str)]) -> Vec<(Arc<str>, Arc<str>)> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// The request of a file with this `auth` and `request`.
fn request(auth: &str, request: &str, inputs: &[(&str, &str)]) -> Option<Prepared> {
    let file = format!(
        "connector: acme\ncapability: ip_reputation\ndata: {{ sends: [ip, phone, amount, context, flag, user_id, lot] }}\n\
        config:\n  id: {{ default: id-1 }}\n  n: {{ default: 7 }}\n  hosts: {{ type: list, default: [a, b] }}\n  none: {{ type: string }}\n\
        secrets: {{ key: {{}}, pem: {{ required: false }} }}\n\
        inputs:\n  ip: {{}}\n  phone: {{}}\n  user_id: {{}}\n  amount: {{ type: number }}\n  context: {{ type: object }}\n  flag: {{ type: bool }}\n  lot: {{ type: string }}\n\
        auth: {auth}\noperations:\n  send:\n    kind: send\n    request: {request}\n"
    );
    let connector =
        connector(&"acme.yaml".into(), &file, &Catalogue::builtin()).unwrap_or_else(|found| panic!("{found:#?}"));
    let operation = &connector.operations[0];
    let inputs = operation.inputs(&named(inputs), NOW_MS)?;
    let moment = Moment { now_ms: NOW_MS, uuid: UUID.into() };
    let secrets = named(&[("key", "c2VjcmV0")]);
    operation.prepare(Asked {
        inputs: &inputs,
        secrets: &secrets,
        state: &[] as &Named,
        token: Some("tok"),
        moment: &moment,
    })
}

fn body(prepared: &Prepared) -> &str {
    std::str::from_utf8(&prepared.body.as_ref().unwrap().1).unwrap()
}

fn header<'p>(prepared: &'p Prepared, name: &str) -> &'p str {
    let found = prepared.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
    &found.unwrap_or_else(|| panic!("no {name}")).1
}

#[test]
fn bodies_leave_out_what_is_not_there_and_keep_types() {
    let json = "{ method: POST, url: 'https://a.example/x', json: { ip: '${input.ip}', amount: '${input.amount}', n: '${config.n}', \
        hosts: '${config.hosts}', text: 'n=${config.n}', none: '${config.none}', flag: '${input.flag}', ctx: '${input.context}', \
        user: { id: '${input.user_id}', more: { id: '${input.user_id}' } }, empty: {}, list: ['${input.ip}', '${input.user_id}'] } }";
    let inputs = [("ip", "1.2.3.4"), ("amount", "12.50"), ("flag", "true"), ("context", r#"{"a":[1]}"#)];
    let sent = request("{ type: none }", json, &inputs).unwrap();
    assert_eq!(
        body(&sent),
        r#"{"ip":"1.2.3.4","amount":12.5,"n":7,"hosts":["a","b"],"text":"n=7","flag":true,"ctx":{"a":[1]},"empty":{},"list":["1.2.3.4"]}"#
    );
    let form =
        "{ method: PUT, url: 'https://a.example/x', form: { a: '${input.ip}', b: '${input.user_id}', c: 'x y&' } }";
    let sent = request("{ type: none }", form, &[("ip", "1.2.3.4")]).unwrap();
    assert_eq!((body(&sent), sent.method.name()), ("a=1.2.3.4&c=x%20y%26", "PUT"));
    let xml = "{ method: POST, url: 'https://a.example/x', xml: '<q id=\"${input.user_id}\">${input.ip}</q>', content_type: text/xml }";
    let sent = request("{ type: none }", xml, &[("ip", "1.2.3.4"), ("user_id", "<\"&'>")]).unwrap();
    assert_eq!(body(&sent), "<q id=\"&lt;&quot;&amp;&apos;&gt;\">1.2.3.4</q>");
    assert_eq!(sent.body.as_ref().unwrap().0, "text/xml");
    assert!(request("{ type: none }", xml, &[("ip", "1.2.3.4")]).is_none(), "a text cannot leave anything out");
    for wrong in [("amount", "much"), ("flag", "yes"), ("context", "{"), ("ip", "nobody"), ("phone", "020 123")] {
        let sent = request("{ type: none }", json, &[wrong, ("user_id", "u")]).unwrap();
        let expected =
            r#"{"n":7,"hosts":["a","b"],"text":"n=7","user":{"id":"u","more":{"id":"u"}},"empty":{},"list":["u"]}"#;
        assert_eq!(body(&sent), expected, "{wrong:?} is not of its type, so it is not sent");
    }
}

#[test]
fn keys_and_credentials_go_where_they_are_told() {
    let post = "{ method: POST, url: 'https://a.example/x?y=1', json: { a: 1 } }";
    let sent = request("{ type: api_key, in: body, name: key, value: '${secret.key}' }", post, &[]).unwrap();
    assert_eq!(body(&sent), r#"{"a":1,"key":"c2VjcmV0"}"#);
    let sent = request("{ type: api_key, in: query, name: key, value: '${secret.key}' }", post, &[]).unwrap();
    assert_eq!(sent.url, "https://a.example/x?y=1&key=c2VjcmV0");
    let sent = request("{ type: bearer, token: '${secret.key}', scheme: SSWS }", post, &[]).unwrap();
    assert_eq!(header(&sent, "Authorization"), "SSWS c2VjcmV0");
    let sent = request("{ type: basic, username: '${secret.key}' }", post, &[]).unwrap();
    assert_eq!(sent.basic, Some(("c2VjcmV0".into(), String::new())));
    let several =
        "[{ type: api_key, in: header, name: X-Id, value: '${config.id}' }, { type: bearer, token: '${secret.key}' }]";
    let sent = request(several, post, &[]).unwrap();
    assert_eq!((header(&sent, "x-id"), header(&sent, "authorization")), ("id-1", "Bearer c2VjcmV0"));
    let optional = "{ type: api_key, in: header, name: X-Key, value: '${secret.pem}' }";
    assert!(request(optional, post, &[]).unwrap().headers.is_empty(), "a vendor that can do without a key");
    let token = "{ type: oauth2_client_credentials, token_url: 'https://id.example/t', client_id: x, client_secret: '${secret.key}' }";
    assert_eq!(header(&request(token, post, &[]).unwrap(), "authorization"), "Bearer tok");
}

/// What six vendors ask to be signed, written out by hand; the hash over it is computed here.
#[test]
fn the_six_canonical_strings_are_those_of_the_vendors() {
    let hash = |algorithm, key: &[u8], text: &str| hmac::hash(algorithm, key, text.as_bytes()).unwrap();
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);

    let telesign = r#"{ type: hmac, key: "${secret.key}", key_encoding: base64, encoding: base64, in: header, name: Authorization,
        value: "TSA ${config.id}:${signature}", headers: { Date: "${now.http}", x-ts-auth-method: HMAC-SHA256, x-ts-nonce: "${uuid}" },
        string_to_sign: "${req.method}\n${req.header.content-type}\n${req.header.date}\nx-ts-auth-method:${req.header.x-ts-auth-method}\nx-ts-nonce:${uuid}\n${req.body}\n${req.path}" }"#;
    let form = "{ method: POST, url: 'https://rest.example/v1/messaging', form: { phone_number: '${input.phone}', message: hi } }";
    let sent = request(telesign, form, &[("phone", "+31201234567")]).unwrap();
    let signed = format!(
        "POST\napplication/x-www-form-urlencoded\nThu, 01 Jan 2026 00:00:00 GMT\nx-ts-auth-method:HMAC-SHA256\nx-ts-nonce:{UUID}\nphone_number=%2B31201234567&message=hi\n/v1/messaging"
    );
    let expected = text::base64(&hash(HmacAlgorithm::Sha256, b"secret", &signed));
    assert_eq!(header(&sent, "authorization"), format!("TSA id-1:{expected}"), "Telesign");

    let duo = r#"{ type: hmac, algorithm: sha512, key: "${secret.key}", in: basic, username: "${config.id}", headers: { Date: "${now.http}" },
        string_to_sign: "${req.header.date}\n${req.method}\n${lower(req.host)}\n${req.path}\n${req.params}\n${sha512_hex(req.body)}" }"#;
    let get = "{ method: GET, url: 'https://API-1.duo.example/auth/v2/auth_status', query: { txid: 'a b', b: '2' } }";
    let sent = request(duo, get, &[]).unwrap();
    let empty = text::sha512_hex(b"");
    let signed =
        format!("Thu, 01 Jan 2026 00:00:00 GMT\nGET\napi-1.duo.example\n/auth/v2/auth_status\nb=2&txid=a%20b\n{empty}");
    let expected = hex(&hash(HmacAlgorithm::Sha512, b"c2VjcmV0", &signed));
    assert_eq!(sent.basic, Some(("id-1".into(), expected)), "Duo");

    let sumsub = r#"{ type: hmac, key: "${secret.key}", in: header, name: X-App-Access-Sig, headers: { X-App-Access-Ts: "${now.unix}" },
        string_to_sign: "${now.unix}${req.method}${req.path_query}${req.body}" }"#;
    let post = "{ method: POST, url: 'https://api.example/resources/x', query: { level: basic }, json: { a: '${input.user_id}' } }";
    let sent = request(sumsub, post, &[("user_id", "u")]).unwrap();
    let signed = r#"1767225600POST/resources/x?level=basic{"a":"u"}"#;
    assert_eq!(header(&sent, "x-app-access-sig"), hex(&hash(HmacAlgorithm::Sha256, b"c2VjcmV0", signed)), "Sumsub");
    assert_eq!(header(&sent, "x-app-access-ts"), "1767225600");

    let veriff = r#"{ type: hmac, key: "${secret.key}", in: header, name: X-HMAC-SIGNATURE, string_to_sign: "${input.user_id}" }"#;
    let sent = request(
        veriff,
        "{ method: GET, url: 'https://api.example/v1/sessions/${input.user_id}' }",
        &[("user_id", "s-1")],
    );
    assert_eq!(
        header(&sent.unwrap(), "x-hmac-signature"),
        hex(&hash(HmacAlgorithm::Sha256, b"c2VjcmV0", "s-1")),
        "Veriff"
    );

    let geetest = r#"{ type: hmac, key: "${secret.key}", in: body, name: sign_token, string_to_sign: "${input.lot}" }"#;
    let sent = request(
        geetest,
        "{ method: POST, url: 'https://api.example/validate', form: { lot_number: '${input.lot}' } }",
        &[("lot", "L1")],
    );
    let expected = hex(&hash(HmacAlgorithm::Sha256, b"c2VjcmV0", "L1"));
    assert_eq!(body(&sent.unwrap()), format!("lot_number=L1&sign_token={expected}"), "GeeTest");

    let experian = r#"[{ type: mtls, cert: "${secret.pem}", key: "${secret.pem}" }, { type: hmac, key: "${secret.key}", encoding: base64, in: header, name: hmac-signature, string_to_sign: "${req.body}" }]"#;
    let sent = request(experian, "{ method: POST, url: 'https://api.example/x', json: { a: 1 } }", &[]).unwrap();
    assert_eq!(
        header(&sent, "hmac-signature"),
        text::base64(&hash(HmacAlgorithm::Sha256, b"c2VjcmV0", r#"{"a":1}"#)),
        "Experian"
    );
}

#[test]
fn signatures_cover_what_is_sent() {
    let aws = "{ type: aws_sigv4, region: eu-west-1, service: verifiedpermissions, access_key: AKID, secret_key: '${secret.key}' }";
    let post = "{ method: POST, url: 'https://verifiedpermissions.eu-west-1.amazonaws.com/', headers: { X-Amz-Target: VerifiedPermissions.IsAuthorized }, \
        content_type: application/x-amz-json-1.0, json: { a: 1 } }";
    let sent = request(aws, post, &[]).unwrap();
    let authorization = header(&sent, "authorization");
    let expected = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/verifiedpermissions/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=";
    assert!(authorization.starts_with(expected), "{authorization}");
    let message = "{ type: http_message_signature, key: '${secret.key}', key_id: k1, algorithm: hmac-sha256 }";
    let sent = request(message, post, &[]).unwrap();
    let digest = header(&sent, "content-digest").to_owned();
    let input = header(&sent, "signature-input");
    let params = r#"("@method" "@target-uri" "content-digest");created=1767225600;expires=1767225900;keyid="k1";alg="hmac-sha256""#;
    assert_eq!(input, format!("sig1={params}"));
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": https://verifiedpermissions.eu-west-1.amazonaws.com/\n\"content-digest\": {digest}\n\"@signature-params\": {params}"
    );
    let hash = hmac::hash(HmacAlgorithm::Sha256, b"secret", base.as_bytes()).unwrap();
    assert_eq!(header(&sent, "signature"), format!("sig1=:{}:", text::base64(&hash)));
    let private = "{ type: http_message_signature, key: '${secret.key}', key_id: k1, algorithm: ed25519, components: ['@method'] }";
    let unsigned = request(private, post, &[]).unwrap().unsigned.expect("the shell signs with private keys");
    assert!(unsigned.base.starts_with("\"@method\": POST\n"), "{}", unsigned.base);
}
