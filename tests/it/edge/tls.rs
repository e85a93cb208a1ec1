//! TLS on both sides: names, HTTP/2, certificates that change, apps that must prove who they are.

use std::{net::SocketAddr, path::Path, sync::Arc};

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use stepward::{
    edge::Edge,
    settings::{Certificate, Listen, UpstreamTls},
    sockets::Sockets,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    edge::world,
    origin::{App, Recorder, answer, exchange},
};

/// A certificate authority of this test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// PEM of a leaf and its key.
    fn issue(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        (leaf.pem(), key.serialize_pem())
    }

    /// Written to files, as settings name them.
    fn certificate(&self, folder: &Path, file: &str, names: &[&str]) -> Certificate {
        let (leaf, key) = self.issue(names);
        let certificate =
            Certificate { certificate: folder.join(format!("{file}.pem")), key: folder.join(format!("{file}.key")) };
        std::fs::write(&certificate.certificate, leaf).unwrap();
        std::fs::write(&certificate.key, key).unwrap();
        certificate
    }

    fn bundle(&self, folder: &Path) -> std::path::PathBuf {
        let path = folder.join("ca.pem");
        std::fs::write(&path, self.0.pem()).unwrap();
        path
    }

    /// An app that shows a certificate for these names.
    async fn app(&self, names: &[&str]) -> App {
        let (leaf, key) = self.issue(names);
        let chain = vec![CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = config.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        App::with_tls(config).await
    }

    fn client(&self, alpn: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    async fn connect(&self, address: SocketAddr, name: &str, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(address).await?;
        self.client(alpn).connect(ServerName::try_from(name.to_owned()).unwrap(), tcp).await
    }
}

fn over_tls(certificates: Vec<Certificate>) -> Listen {
    Listen { tls: certificates, ..world::listen() }
}

#[tokio::test]
async fn http1_and_http2_clients_are_served_over_tls_and_the_app_learns_it() {
    let (authority, folder, app) = (Authority::new(), tempfile::tempdir().unwrap(), App::start().await);
    let mut settings = world::settings(app.address);
    settings.listen = vec![over_tls(vec![authority.certificate(folder.path(), "a", &["a.test"])])];
    let edge = world::start(&settings).await;

    let mut tls = authority.connect(edge.addresses[0], "a.test", &["http/1.1"]).await.unwrap();
    tls.write_all(b"GET /headers HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    let plain = answer(&mut tls).await;
    assert!(plain.starts_with("HTTP/1.1 200 ") && plain.contains("\"x-forwarded-proto\": \"https\""), "{plain}");

    let tls = authority.connect(edge.addresses[0], "a.test", &["h2"]).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
    tokio::spawn(connection);
    // Crumbs, as browsers send them over HTTP/2.
    let request = Request::get("https://a.test/headers").header("cookie", "a=1").header("cookie", "b=2");
    let response = client.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    let told = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    assert!(told.contains("\"cookie\": \"a=1; b=2\""), "one Cookie field for an HTTP/1 app: {told}");
    assert!(told.contains("\"host\": \"a.test\"") && told.contains("\"x-forwarded-proto\": \"https\""), "{told}");
}

#[tokio::test]
async fn c3_each_name_gets_its_certificate_wildcards_included_and_unknown_names_the_first() {
    let (authority, folder, app) = (Authority::new(), tempfile::tempdir().unwrap(), App::start().await);
    let mut settings = world::settings(app.address);
    let certificate = |file: &str, name: &str| authority.certificate(folder.path(), file, &[name]);
    settings.listen =
        vec![over_tls(vec![certificate("a", "a.test"), certificate("w", "*.b.test"), certificate("c", "c.b.test")])];
    let edge = world::start(&settings).await;
    for name in ["a.test", "A.TEST", "x.b.test", "c.b.test"] {
        authority.connect(edge.addresses[0], name, &[]).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let unknown = authority.connect(edge.addresses[0], "other.test", &[]).await;
    assert!(
        unknown.unwrap_err().to_string().to_lowercase().contains("not valid for name"),
        "shown the first, which is not for it"
    );
}

#[tokio::test]
async fn c3_one_client_hello_in_many_pieces_gets_the_same_certificate() {
    let (authority, folder, app) = (Authority::new(), tempfile::tempdir().unwrap(), App::start().await);
    let mut settings = world::settings(app.address);
    let certificates = ["a.test", "b.test"].map(|name| authority.certificate(folder.path(), name, &[name]));
    settings.listen = vec![over_tls(certificates.to_vec())];
    let edge = world::start(&settings).await;
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let address = edge.addresses[0];
    tokio::spawn(async move {
        let mut tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut sent = 0;
        let mut buffer = [0; 1];
        while sent < 150 && tokio::io::AsyncReadExt::read(&mut far, &mut buffer).await.unwrap() == 1 {
            tcp.write_all(&buffer).await.unwrap();
            tokio::task::yield_now().await;
            sent += 1;
        }
        let _ = tokio::io::copy_bidirectional(&mut far, &mut tcp).await;
    });
    let name = ServerName::try_from("b.test").unwrap();
    authority.client(&[]).connect(name, near).await.expect("the certificate of b.test");
}

#[tokio::test]
async fn certificates_are_reloaded_while_connections_stay_open_and_a_bad_file_changes_nothing() {
    let (old, new) = (Authority::new(), Authority::new());
    let (folder, app) = (tempfile::tempdir().unwrap(), Recorder::start().await);
    let mut settings = world::settings(app.address);
    let certificate = old.certificate(folder.path(), "a", &["a.test"]);
    settings.listen = vec![over_tls(vec![certificate.clone()])];
    let edge = world::start(&settings).await;
    let mut open = old.connect(edge.addresses[0], "a.test", &["http/1.1"]).await.unwrap();

    std::fs::write(&certificate.certificate, "rubbish").unwrap();
    let error = edge.reload_certificates().unwrap_err().to_string();
    assert!(error.contains("a.pem"), "{error}");
    old.connect(edge.addresses[0], "a.test", &[]).await.expect("the old certificate still serves");

    new.certificate(folder.path(), "a", &["a.test"]);
    edge.reload_certificates().unwrap();
    new.connect(edge.addresses[0], "a.test", &[]).await.expect("the new certificate serves");
    assert!(old.connect(edge.addresses[0], "a.test", &[]).await.is_err(), "the old one is gone");
    open.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    assert!(answer(&mut open).await.starts_with("HTTP/1.1 200 "), "an open connection goes on");
}

#[tokio::test]
async fn k1_an_edge_whose_files_are_missing_does_not_start() {
    let app = Recorder::start().await;
    let behind = world::behind(&world::settings(app.address)).await;
    let journeys = behind.journeys.clone();
    let missing = Certificate { certificate: "/nonexistent/a.pem".into(), key: "/nonexistent/a.key".into() };
    let mut settings = world::settings(app.address);
    settings.listen = vec![over_tls(vec![missing])];
    assert!(Edge::start(&settings, journeys.clone(), &Sockets::none()).await.is_err());
    let mut settings = world::settings(app.address);
    let upstream = settings.upstreams.get_mut("app").unwrap();
    upstream.tls = Some(UpstreamTls { name: "app.test".into(), ca: Some("/nonexistent/ca.pem".into()) });
    assert!(Edge::start(&settings, journeys.clone(), &Sockets::none()).await.is_err());
}

#[tokio::test]
async fn an_app_is_verified_by_its_ca_and_name_over_http1_and_http2() {
    let (authority, stranger, folder) = (Authority::new(), Authority::new(), tempfile::tempdir().unwrap());
    let ca = authority.bundle(folder.path());
    let cases = [
        (authority.app(&["app.test"]).await, "app.test", 200),
        (authority.app(&["other.test"]).await, "app.test", 502),
        (stranger.app(&["app.test"]).await, "app.test", 502),
    ];
    for http2 in [false, true] {
        for (app, name, status) in &cases {
            let mut settings = world::settings(app.address);
            let upstream = settings.upstreams.get_mut("app").unwrap();
            upstream.tls = Some(UpstreamTls { name: (*name).into(), ca: Some(ca.clone()) });
            upstream.http2 = http2;
            let edge = world::start(&settings).await;
            let got = exchange(edge.addresses[0], b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
            assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "http2 {http2}, {name}: {got}");
            let version = if http2 { "x-version: HTTP/2.0" } else { "x-version: HTTP/1.1" };
            assert!(*status != 200 || got.contains(version), "{got}");
        }
    }
}

#[tokio::test]
async fn two_upstreams_at_one_address_with_different_cas_never_share_a_connection() {
    let (authority, stranger, folder) = (Authority::new(), Authority::new(), tempfile::tempdir().unwrap());
    let app = authority.app(&["app.test"]).await;
    let good = authority.bundle(folder.path());
    let other = tempfile::tempdir().unwrap();
    let bad = stranger.bundle(other.path());
    let mut settings = world::settings(app.address);
    let mut distrusting = world::upstream("distrusting", &[app.address]);
    distrusting.tls = Some(UpstreamTls { name: "app.test".into(), ca: Some(bad) });
    settings.upstreams.insert("distrusting".into(), distrusting);
    settings.upstreams.get_mut("app").unwrap().tls = Some(UpstreamTls { name: "app.test".into(), ca: Some(good) });
    settings.routes.push(world::route(Some("b.test"), "/", "distrusting"));
    let edge = world::start(&settings).await;
    let trusted = exchange(edge.addresses[0], b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(trusted.starts_with("HTTP/1.1 200 "), "{trusted}");
    let distrusted = exchange(edge.addresses[0], b"GET / HTTP/1.1\r\nHost: b.test\r\n\r\n").await;
    assert!(distrusted.starts_with("HTTP/1.1 502 "), "{distrusted}");
}
