//! Signed tokens that are nearly right (H1): every way that libraries have been known to take a wrong one, by family, for
//! each algorithm that is allowed; and the public Wycheproof vectors: those of signatures always, those of whole tokens where
//! a copy of them is named.

use std::{collections::BTreeMap, fs, sync::Arc};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value as Json, json};
use stepward::{
    clock::Clock,
    settings::{JwtSource, SubjectSource, TokenPlace},
    subject::{Subjects, jwks},
};
use stepward_core::request::{Body, Request};

const NOW_SECONDS: i64 = 1_700_000_000;
const ALGORITHMS: [(Algorithm, &str); 4] =
    [(Algorithm::RS256, "rsa"), (Algorithm::PS256, "rsa"), (Algorithm::ES256, "ec"), (Algorithm::EdDSA, "ed")];
/// Order of the group of P-256, and of Ed25519 (little-endian).
const P256_ORDER: &str = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";
const ED25519_ORDER: &str = "EDD3F55C1A631258D69CF7A2DEF9DE1400000000000000000000000000000010";

fn key(name: &str) -> EncodingKey {
    match name {
        "rsa" => EncodingKey::from_rsa_pem(include_bytes!("../subject/rsa.pem")).unwrap(),
        "ec" => EncodingKey::from_ec_pem(include_bytes!("../subject/ec.pem")).unwrap(),
        "ed" => EncodingKey::from_ed_pem(include_bytes!("../subject/ed.pem")).unwrap(),
        _ => EncodingKey::from_rsa_pem(include_bytes!("../subject/other_rsa.pem")).unwrap(),
    }
}

/// A public key of each kind, changed.
fn keys(change: impl Fn(&mut Json)) -> Vec<Json> {
    let jwk = |(name, of)| {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key(name), of).unwrap()).unwrap();
        jwk["kid"] = name.into();
        jwk.as_object_mut().unwrap().remove("alg");
        change(&mut jwk);
        jwk
    };
    [("rsa", Algorithm::RS256), ("ec", Algorithm::ES256), ("ed", Algorithm::EdDSA)].map(jwk).into()
}

/// Verifies tokens by a key set of one key of each kind.
struct Verifier {
    subjects: Subjects,
    _folder: tempfile::TempDir,
}

impl Verifier {
    fn new() -> Verifier {
        Verifier::of(keys(|_| ()))
    }

    fn of(keys: Vec<Json>) -> Verifier {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        fs::write(&path, json!({ "keys": keys }).to_string()).unwrap();
        let source = JwtSource {
            from: TokenPlace::Bearer,
            issuer: "https://idp.example.com".into(),
            audience: "bank".into(),
            jwks: path.to_str().unwrap().into(),
            id: "sub".into(),
            kind: None,
            email: None,
        };
        let clock = Clock::Manual(Arc::new((NOW_SECONDS * 1000).into()));
        Verifier { subjects: Subjects::new(&[SubjectSource::Jwt(source)], clock).unwrap(), _folder: folder }
    }

    async fn believes(&self, token: &str) -> bool {
        let request = Request {
            method: "GET".into(),
            host: "bank.example.com".into(),
            path: "/".into(),
            query: None,
            headers: vec![("authorization".into(), format!("Bearer {token}").into())],
            cookies: Vec::new(),
            client_ip: "203.0.113.7".parse().unwrap(),
            secure: true,
            body: Body::Unread,
        };
        self.subjects.identify(&request, false).await.subject.is_some()
    }
}

fn payload() -> String {
    let claims = json!({ "iss": "https://idp.example.com", "aud": "bank", "sub": "ada", "exp": NOW_SECONDS + 300 });
    BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
}

/// A token with this very header, rightly signed.
fn with_header(header: &str, algorithm: Algorithm, name: &str) -> String {
    let message = format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), payload());
    let signature = crypto::sign(message.as_bytes(), &key(name), algorithm).unwrap();
    format!("{message}.{signature}")
}

fn word(algorithm: Algorithm) -> String {
    format!("{algorithm:?}")
}

/// The sum of two numbers of 32 bytes, lowest byte last.
fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut bytes: Vec<u8> = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .map(|(a, b)| {
            let total = u16::from(*a) + u16::from(*b) + carry;
            carry = total >> 8;
            total.to_le_bytes()[0]
        })
        .collect();
    bytes.reverse();
    bytes
}

/// Signatures that are none, made of a right one.
fn forged(right: &[u8], algorithm: Algorithm) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = vec![
        Vec::new(),
        vec![0],
        right[1..].to_vec(),
        right[..right.len() - 1].to_vec(),
        [right, &[0]].concat(),
        [&[0], right].concat(),
        [right, right].concat(),
        vec![0; right.len()],
        vec![0xff; right.len()],
        right.iter().rev().copied().collect(),
    ];
    for bit in (0..right.len() * 8).step_by(if right.len() > 64 { 13 } else { 1 }) {
        let mut changed = right.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        all.push(changed);
    }
    if algorithm == Algorithm::ES256 {
        let order = data_encoding::HEXUPPER.decode(P256_ORDER.as_bytes()).unwrap();
        let (zero, one) = (vec![0; 32], [vec![0; 31], vec![1]].concat());
        let numbers = [&zero, &one, &order];
        for (r, s) in numbers.iter().flat_map(|r| numbers.iter().map(move |s| (r, s))) {
            all.push([r.as_slice(), s.as_slice()].concat());
        }
        let (r, s) = right.split_at(32);
        all.push([r, &order].concat());
        all.push([&order, s].concat());
        all.push([s, r].concat());
        // As ASN.1 has it (RFC 7518 §3.4 does not).
        let number = |it: &[u8]| [&[2, 33, 0], it].concat();
        all.push([&[0x30, 70][..], &number(r), &number(s)].concat());
    }
    if algorithm == Algorithm::EdDSA {
        // The same point with the order of the group added to the scalar (RFC 8032 §5.1.7).
        let order = data_encoding::HEXUPPER.decode(ED25519_ORDER.as_bytes()).unwrap();
        let big = |it: &[u8]| it.iter().rev().copied().collect::<Vec<u8>>();
        let added = big(&sum(&big(&right[32..]), &big(&order)));
        all.push([&right[..32], &added].concat());
    }
    all
}

/// Headers that libraries have taken for a right one.
fn odd_headers(algorithm: &str, kid: &str) -> Vec<String> {
    let with = |alg: Json| json!({ "alg": alg, "kid": kid }).to_string();
    let mut all: Vec<String> =
        ["none", "None", "NONE", "nOnE", "", " ", "HS256", "HS384", "HS512", "RS384", "RS512", "PS384", "ES384"]
            .into_iter()
            .map(|alg| with(alg.into()))
            .collect();
    all.extend([with(Json::Null), with(json!([algorithm])), with(json!({})), with(json!(256)), with(true.into())]);
    all.extend([
        with(algorithm.to_lowercase().into()),
        with(format!("{algorithm} ").into()),
        with(format!("{algorithm}\0").into()),
    ]);
    all.push(json!({ "kid": kid }).to_string());
    all.push(json!({ "alg": algorithm }).to_string());
    for other in ["", " ", "x", "../../etc/passwd", "' OR 1=1 --", "rsa\0", "RSA", "ec,rsa"] {
        all.push(json!({ "alg": algorithm, "kid": other }).to_string());
    }
    all.push(json!({ "alg": algorithm, "kid": [kid] }).to_string());
    for critical in [json!(["exp"]), json!(["b64"]), json!([]), json!(["x-unknown"])] {
        all.push(json!({ "alg": algorithm, "kid": kid, "crit": critical, "b64": false }).to_string());
    }
    all.push(format!("{{\"alg\":\"none\",\"alg\":\"{algorithm}\",\"kid\":\"{kid}\"}}"));
    all.push(format!("{{\"alg\":\"{algorithm}\",\"alg\":\"none\",\"kid\":\"{kid}\"}}"));
    all.push(format!("{{\"alg\":\"{algorithm}\",\"kid\":\"x\",\"kid\":\"{kid}\"}}"));
    all.extend(["", "{}", "[]", "null", "\"RS256\"", "{", "\u{feff}{}"].map(String::from));
    all
}

/// Other writings of a right token.
fn rewritten(token: &str) -> Vec<String> {
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let standard = |part: &str| BASE64.encode(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap());
    // The last letter's spare bits: another spelling of the same bytes.
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let spare = |part: &str| {
        let last = letters.iter().position(|it| Some(it) == part.as_bytes().last()).unwrap();
        let other = letters[last ^ 1];
        (!part.len().is_multiple_of(4)).then(|| format!("{}{}", &part[..part.len() - 1], char::from(other)))
    };
    let mut all = vec![
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{header}.{payload}.{signature}."),
        format!(".{token}"),
        format!("{header}..{payload}.{signature}.x"),
        format!("{token}="),
        format!("{token}=="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{header}.{payload}.{signature}!"),
        format!("{header}.{payload}. {signature}"),
        format!("{header} .{payload}.{signature}"),
        format!("{header}.{payload}\u{200b}.{signature}"),
        format!("{header}.{payload}.{}", standard(signature)),
        token.to_lowercase(),
        json!({ "protected": header, "payload": payload, "signature": signature }).to_string(),
        json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature }] }).to_string(),
    ];
    all.extend(spare(signature).map(|it| format!("{header}.{payload}.{it}")));
    all
}

#[tokio::test]
async fn h1_whatever_is_nearly_a_right_token_names_nobody() {
    let verifier = Verifier::new();
    for (algorithm, name) in ALGORITHMS {
        let alg = word(algorithm);
        let token = with_header(&json!({ "alg": alg, "kid": name }).to_string(), algorithm, name);
        assert!(verifier.believes(&token).await, "{alg}: the right one");
        let (message, signature) = token.rsplit_once('.').unwrap();
        let right = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        let signatures = forged(&right, algorithm);
        for forged in &signatures {
            let token = format!("{message}.{}", BASE64URL_NOPAD.encode(forged));
            assert!(!verifier.believes(&token).await, "{alg}: signature {}", data_encoding::HEXLOWER.encode(forged));
        }
        for (other, signer) in ALGORITHMS.into_iter().chain([(Algorithm::RS256, "other"), (Algorithm::PS256, "other")])
        {
            if (other, signer) != (algorithm, name) {
                let signature = crypto::sign(message.as_bytes(), &key(signer), other).unwrap();
                assert!(
                    !verifier.believes(&format!("{message}.{signature}")).await,
                    "{alg} signed as {other:?} by {signer}"
                );
            }
        }
        for header in odd_headers(&alg, name) {
            let token = with_header(&header, algorithm, name);
            let bare = json!({ "alg": alg }).to_string();
            let is_bare = header == bare;
            // Without a name of a key, the only one that fits the algorithm is meant (RFC 7515 §4.1.4).
            assert_eq!(verifier.believes(&token).await, is_bare, "{alg}: header {header}");
        }
        for token in rewritten(&token) {
            assert!(!verifier.believes(&token).await, "{alg}: {token}");
        }
        let (header, rest) = token.split_once('.').unwrap();
        let other = json!({ "iss": "https://idp.example.com", "aud": "bank", "sub": "eve", "exp": NOW_SECONDS + 300 });
        let other = BASE64URL_NOPAD.encode(other.to_string().as_bytes());
        let signature = rest.rsplit_once('.').unwrap().1;
        assert!(!verifier.believes(&format!("{header}.{other}.{signature}")).await, "{alg}: other claims");
    }
}

/// The key that a public one is taken for as a secret, in every form that it is written in.
#[tokio::test]
async fn h1_no_public_key_is_taken_for_a_shared_secret_in_any_of_its_forms() {
    let verifier = Verifier::new();
    for name in ["rsa", "ec", "ed"] {
        let algorithm = ALGORITHMS.into_iter().find(|it| it.1 == name).unwrap().0;
        let jwk = Jwk::from_encoding_key(&key(name), algorithm).unwrap();
        let json = serde_json::to_value(&jwk).unwrap();
        let mut secrets = vec![json.to_string().into_bytes(), Vec::new(), b"secret".to_vec(), vec![0; 32]];
        for part in ["n", "x", "e", "y"] {
            if let Some(text) = json[part].as_str() {
                secrets.extend([text.as_bytes().to_vec(), BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()]);
            }
        }
        for (hash, secret) in
            ["HS256", "HS384", "HS512"].into_iter().flat_map(|it| secrets.iter().map(move |secret| (it, secret)))
        {
            let algorithm: Algorithm = hash.parse().unwrap();
            let message = format!(
                "{}.{}",
                BASE64URL_NOPAD.encode(json!({ "alg": hash, "kid": name }).to_string().as_bytes()),
                payload()
            );
            let signature = crypto::sign(message.as_bytes(), &EncodingKey::from_secret(secret), algorithm).unwrap();
            assert!(!verifier.believes(&format!("{message}.{signature}")).await, "{name} as {hash}");
        }
    }
}

/// A key says by `use`, `key_ops` and `alg` what it is for; whatever else it is used for is not believed.
#[tokio::test]
async fn h1_a_key_that_is_for_something_else_verifies_nothing() {
    let all =
        [("key_ops", json!(["encrypt"])), ("key_ops", json!(["sign"])), ("key_ops", json!([])), ("use", json!("enc"))];
    let more = [("key_ops", json!(["deriveKey", "wrapKey"])), ("alg", json!("RSA-OAEP")), ("alg", json!("RS512"))];
    for (name, value) in all.into_iter().chain(more).chain([("use", json!("tls")), ("kty", json!("oct"))]) {
        // A set needs one key that can be used.
        let spare = serde_json::to_value(Jwk::from_encoding_key(&key("other"), Algorithm::RS256).unwrap()).unwrap();
        let changed = keys(|jwk| jwk[name] = value.clone());
        let verifier = Verifier::of(changed.into_iter().chain([spare]).collect());
        for (algorithm, signer) in ALGORITHMS {
            let header = json!({ "alg": word(algorithm), "kid": signer }).to_string();
            let token = with_header(&header, algorithm, signer);
            assert!(!verifier.believes(&token).await, "{algorithm:?} by a key with {name} {value}");
        }
    }
    for (name, value) in [("key_ops", json!(["verify"])), ("key_ops", json!(["sign", "verify"])), ("use", json!("sig"))]
    {
        let verifier = Verifier::of(keys(|jwk| jwk[name] = value.clone()));
        for (algorithm, signer) in ALGORITHMS {
            let header = json!({ "alg": word(algorithm), "kid": signer }).to_string();
            assert!(verifier.believes(&with_header(&header, algorithm, signer)).await, "{algorithm:?}: {name} {value}");
        }
    }
}

/// Every vector of Wycheproof's signatures for the algorithms we allow (ES256 as tokens have it, EdDSA, RS256, PS256), by our
/// choice of keys and our library's verification. `tests/data/wycheproof.json` says where they are from.
#[tokio::test]
async fn h1_wycheproof_vectors_of_signatures() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wycheproof.json");
    let all: Json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut counts, mut faults) = (BTreeMap::<(&str, &str, bool), usize>::new(), Vec::new());
    for group in all["groups"].as_array().unwrap() {
        let name = group["alg"].as_str().unwrap();
        let (algorithm, _) = ALGORITHMS.into_iter().find(|(it, _)| word(*it) == name).unwrap();
        let file = folder.path().join("keys.json");
        fs::write(&file, json!({ "keys": [group["key"]] }).to_string()).unwrap();
        let set = jwks::KeySet::new(&file.to_str().unwrap().into(), Clock::System).ok();
        let key = match &set {
            Some(set) => set.find(None, algorithm).await.ok(),
            None => None,
        };
        for test in group["tests"].as_array().unwrap() {
            let [number, comment, message, signature, result] = &test.as_array().unwrap()[..] else { panic!("{test}") };
            let message = BASE64URL_NOPAD.decode(message.as_str().unwrap().as_bytes()).unwrap();
            let verified = |key| crypto::verify(signature.as_str().unwrap(), &message, key, algorithm).unwrap_or(false);
            let (taken, result) = (key.as_ref().is_some_and(verified), result.as_str().unwrap());
            if taken != (result == "valid") && result != "acceptable" {
                faults.push(format!("{} {number}: {comment}, {result}, taken: {taken}", group["file"]));
            }
            *counts.entry((name, result, taken)).or_default() += 1;
        }
    }
    println!("{counts:?}");
    assert_eq!(counts.values().sum::<usize>(), 780, "none was left out");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Every vector of Wycheproof's JSON web signatures, by our choice of keys and algorithms and our library's verification:
/// none that is invalid is taken, and all valid ones of the algorithms that we allow are.
#[tokio::test]
#[ignore = "no package has json_web_signature_test.json of github.com/C2SP/wycheproof: its path in WYCHEPROOF_JWS"]
async fn h1_wycheproof_vectors_of_json_web_signatures() {
    let path = std::env::var("WYCHEPROOF_JWS").unwrap();
    let all: Json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut counts, mut faults) = (BTreeMap::<(String, bool, bool), usize>::new(), Vec::new());
    for group in all["testGroups"].as_array().unwrap() {
        let jwk = if group["public"].is_object() { &group["public"] } else { &group["private"] };
        let file = folder.path().join("keys.json");
        fs::write(&file, json!({ "keys": [jwk] }).to_string()).unwrap();
        // A set without a key that we use is refused as a whole: nothing verifies by it.
        let set = jwks::KeySet::new(&file.to_str().unwrap().into(), Clock::System).ok();
        for test in group["tests"].as_array().unwrap() {
            let taken = match (&set, test["jws"].as_str()) {
                (Some(set), Some(token)) => verifies(set, token).await,
                _ => false,
            };
            let is_valid = test["result"] == "valid";
            let alg = jwk["alg"].as_str().unwrap_or("none named").to_string();
            let header = test["jws"].as_str().and_then(|token| jsonwebtoken::decode_header(token).ok());
            let is_ours = header.is_some_and(|it| jwks::is_allowed(it.alg) && word(it.alg) == alg);
            if taken && !is_valid || is_valid && is_ours && !taken {
                faults.push(format!("{alg} {}: {} {}, taken: {taken}", test["tcId"], test["comment"], test["flags"]));
            }
            *counts.entry((alg, is_valid, taken)).or_default() += 1;
        }
    }
    for ((alg, is_valid, taken), count) in &counts {
        let (is, was) = (if *is_valid { "valid" } else { "invalid" }, if *taken { "taken" } else { "refused" });
        println!("{alg}: {count} {is} {was}");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

async fn verifies(set: &Arc<jwks::KeySet>, token: &str) -> bool {
    let Ok(header) = jsonwebtoken::decode_header(token) else { return false };
    if header.crit.is_some() || !jwks::is_allowed(header.alg) {
        return false;
    }
    let Ok(key) = set.find(header.kid.as_deref(), header.alg).await else { return false };
    let parts: Vec<&str> = token.split('.').collect();
    let [head, payload, signature] = parts[..] else { return false };
    crypto::verify(signature, format!("{head}.{payload}").as_bytes(), &key, header.alg).unwrap_or(false)
}
