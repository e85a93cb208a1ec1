//! How a connector proves who it is: with a certificate to a server that asks for one, with signed assertions to a token
//! endpoint that checks them.

use std::collections::HashSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Certificate and key in PEM.
fn leaf(authority: &Authority) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

/// A vendor that answers only to clients for whom this authority vouches; how many questions it heard.
async fn strict(own: &Authority, clients: &Authority) -> (u16, Arc<AtomicUsize>) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let (certificate, key) = leaf(own);
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, heard) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = heard.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (tls, counted) = (tls.clone(), counted.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = tls.accept(tcp).await else { return };
                let mut head = [0; 4096];
                if stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 12\r\n\r\n{\"score\":12}";
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    (port, heard)
}

fn with_secrets(port: u16, auth: &str, url: &str) -> Connector {
    let file = format!(
        "connector: acme\ncapability: ip_reputation\nnetwork: internal\ndata: {{ sends: [ip] }}\n\
        secrets: {{ cert: {{ required: false }}, key: {{}}, ca: {{ required: false }} }}\ninputs: {{ ip: {{ required: true }} }}\n\
        auth: {auth}\noperations:\n  lookup:\n    timeout: 5s\n    request: {{ method: GET, url: '{url}' }}\n    \
        response: {{ map: {{ ip.risk_score: body.score }}, required: [ip.risk_score] }}\n"
    )
    .replace("PORT", &port.to_string());
    let made = compile::connector(&"acme.yaml".into(), &file, &Catalogue::builtin());
    made.unwrap_or_else(|found| panic!("{found:#?}\n{file}"))
}

fn secrets(pairs: &[(&str, &str)]) -> Vec<(Arc<str>, Arc<str>)> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

#[tokio::test]
async fn a_certificate_is_shown_to_whoever_asks_for_it_and_only_the_named_authorities_are_believed() {
    let (vendors, clients, strangers) = (authority(), authority(), authority());
    let (port, heard) = strict(&vendors, &clients).await;
    let auth = "{ type: mtls, cert: '${secret.cert}', key: '${secret.key}', ca: '${secret.ca}' }";
    let connector = with_secrets(port, auth, "https://localhost:PORT/v1");
    let client = |vouches: &Authority, believed: &Authority| {
        let (cert, key) = leaf(vouches);
        let all = secrets(&[("cert", &cert), ("key", &key), ("ca", &believed.pem())]);
        Client::new(&connector, all, &Arc::from([])).unwrap()
    };
    assert_eq!(ask(&client(&clients, &vendors), &connector).await.answer.class, Class::Success);
    assert_eq!(heard.load(Ordering::SeqCst), 1);
    for (what, client) in [
        ("a certificate of somebody else", client(&strangers, &vendors)),
        ("a vendor for whom nobody vouches", client(&clients, &strangers)),
    ] {
        assert_eq!(ask(&client, &connector).await.answer.class, Class::Unavailable, "{what}");
    }
    let bare = with_secrets(port, "{ type: none }", "https://localhost:PORT/v1");
    let nobody = Client::new(&bare, Vec::new(), &Arc::from([])).unwrap();
    assert_eq!(ask(&nobody, &bare).await.answer.class, Class::Unavailable, "no certificate at all");
    assert_eq!(heard.load(Ordering::SeqCst), 1, "none of them was heard");
    let (cert, _) = leaf(&clients);
    let (_, other_key) = leaf(&clients);
    for (cert, key) in [(&*cert, "no key"), ("no certificate", &*other_key)] {
        let all = secrets(&[("cert", cert), ("key", key), ("ca", &vendors.pem())]);
        assert!(Client::new(&connector, all, &Arc::from([])).is_err(), "what cannot be used is told at the start");
    }
}

/// A token endpoint that gives a token for an assertion that this key signed, each once, and a vendor that wants it.
async fn endpoint(key: &KeyPair, field: &'static str, issuer: &'static str) -> u16 {
    let decoding = DecodingKey::from_ec_pem(key.public_key_pem().as_bytes()).unwrap();
    let used: Mutex<HashSet<String>> = Mutex::default();
    let (port, _) = vendor(move |request, _| {
        if !request.starts_with("POST /token") {
            let has_token = request.contains("authorization: Bearer for-the-assertion");
            return Some(if has_token { (200, r#"{"score": 7}"#.into()) } else { (401, "{}".into()) });
        }
        let body = request.split_once("\r\n\r\n").unwrap().1;
        let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let assertion = body.split('&').find_map(|pair| pair.strip_prefix(field)?.strip_prefix('=')).unwrap_or("");
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[format!("http://{host}/token")]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        // The questions are put in 1970, so that is when its assertions end.
        validation.validate_exp = false;
        let read = jsonwebtoken::decode::<serde_json::Value>(assertion, &decoding, &validation);
        let is_good = read.is_ok_and(|it| {
            let is_short = it.claims["exp"].as_i64().zip(it.claims["iat"].as_i64()).is_some_and(|(e, i)| e - i == 300);
            let is_new = it.claims["jti"].as_str().is_some_and(|id| used.lock().unwrap().insert(id.to_owned()));
            is_short && is_new && it.header.kid.as_deref() == Some("k1")
        });
        let good = r#"{"access_token": "for-the-assertion", "expires_in": 3600}"#;
        Some(if is_good { (200, good.into()) } else { (400, r#"{"error": "invalid_client"}"#.into()) })
    })
    .await;
    port
}

#[tokio::test]
async fn assertions_are_signed_so_that_a_token_endpoint_believes_them_and_a_wrong_key_is_a_fault_of_ours() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let other = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    for (what, field, issuer, auth) in [
        (
            "RFC 7523 §2.1",
            "assertion",
            "robot@acme.example",
            "{ type: oauth2_jwt_bearer, token_url: 'http://127.0.0.1:PORT/token', issuer: robot@acme.example, \
            private_key: '${secret.key}', key_id: k1, algorithm: ES256 }",
        ),
        (
            "RFC 7523 §2.2",
            "client_assertion",
            "me",
            "{ type: oauth2_client_credentials, token_url: 'http://127.0.0.1:PORT/token', client_id: me, \
            client_auth: private_key_jwt, private_key: '${secret.key}', \
            key_id: k1, algorithm: ES256 }",
        ),
    ] {
        let port = endpoint(&key, field, issuer).await;
        let connector = with_secrets(port, auth, "http://127.0.0.1:PORT/v1");
        let client = |pem: String| Client::new(&connector, secrets(&[("key", &pem)]), &Arc::from([])).unwrap();
        assert_eq!(ask(&client(key.serialize_pem()), &connector).await.answer.class, Class::Success, "{what}");
        for (why, pem) in [("of somebody else", other.serialize_pem()), ("not a key", "no key".to_owned())] {
            let heard = ask(&client(pem), &connector).await;
            assert_eq!((heard.answer.class, heard.sent), (Class::ConfigError, 0), "{what}, a key {why}");
        }
    }
}
