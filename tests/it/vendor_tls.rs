//! Vendors over TLS, in a real process with a trust store of its own: who cannot show that it is the vendor is never
//! asked, and nobody is let in by its silence.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

const CONNECTOR: &str = "
connector: vendor
name: Vendor
capability: ip_reputation
docs: https://localhost/
about: A vendor behind TLS.
network: internal
data: { sends: [ip] }
inputs:
  ip: { required: true }
operations:
  lookup:
    request:
      method: GET
      url: \"https://localhost:@port@/score\"
      query: { ip: \"${input.ip}\" }
    timeout: 2s
    response:
      map:
        ip.risk_score: score(body.score, 0.0, 100.0)
      required: [ip.risk_score]
tests:
  - name: a calm address
    input: { ip: 62.4.31.7 }
    response: { status: 200, body: { score: 12 } }
    expect: { outcome: success, attributes: { ip.risk_score: 12 } }
";

const RISKY: &str = "
event: act
covers: [GET /act]
budget: { time: 3s, paid_calls: 1 }
when_unsure: block
otherwise: forward
steps:
  - decide: network
    rules:
      - rule: risky
        when: ip.risk_score > 80
        then: block
";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn leaf(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_string()]).unwrap()
}

/// A vendor with this certificate, on loopback; how many questions it heard.
async fn vendor(authority: &Authority, params: CertificateParams) -> (SocketAddr, Arc<AtomicUsize>) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let tls = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heard) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = heard.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (tls, counted) = (tls.clone(), counted.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = tls.accept(tcp).await else { return };
                let mut head = [0; 4096];
                if stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let body = "{\"score\":12}";
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    (address, heard)
}

/// A gateway in a process of its own that trusts one authority.
struct Gateway {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Gateway {
    fn start(app: SocketAddr, vendor: SocketAddr, trusts: &Authority) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "stepward.yaml",
            &format!(
                "listen: [{{ address: \"127.0.0.1:0\" }}]\ntrusted_proxies: [127.0.0.0/8]\nupstreams: {{ app: {{ url: \"http://{app}\" }} }}\nroutes: [{{ upstream: app }}]\npolicies: policies\nconnectors: connectors\ndecision_log: {{ file: /dev/null }}\n"
            ),
        );
        write("policies/act.yaml", RISKY);
        write("connectors/vendor/connector.yaml", &CONNECTOR.replace("@port@", &vendor.port().to_string()));
        write(
            "connectors/routes/ip_reputation.yaml",
            "capability: ip_reputation\nconnectors:\n  - { connector: vendor, timeout: 2s }\non_unavailable: unknown\n",
        );
        write("ca.pem", &trusts.pem());
        let mut child = Command::new(env!("CARGO_BIN_EXE_stepward"))
            .args(["run"])
            .current_dir(folder.path())
            .env("SSL_CERT_FILE", folder.path().join("ca.pem"))
            .env_remove("SSL_CERT_DIR")
            .env_remove("STEPWARD_CONFIG")
            .env_remove("STEPWARD_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split("listening on ").nth(1).map(|it| it.trim_matches('`').trim().to_string()))
            .unwrap_or_else(|| panic!("the gateway did not start"));
        let address = address.trim_start_matches("http://").parse().unwrap();
        // The pipe is read to its end, or the process would block on it.
        std::thread::spawn(move || lines.for_each(drop));
        Gateway { child, address, _folder: folder }
    }

    fn act(&self, ip: &str) -> u16 {
        let mut tcp = TcpStream::connect(self.address).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(tcp, "GET /act HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {ip}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k7_a_vendor_that_cannot_show_that_it_is_the_vendor_is_never_asked() {
    let app = crate::origin::Recorder::start().await;
    let (ours, foreign) = (authority(), authority());
    let expired = {
        let mut params = leaf("localhost");
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        params
    };
    let early = {
        let mut params = leaf("localhost");
        (params.not_before, params.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2099, 1, 1));
        params
    };
    for (what, signed_by, params, expected) in [
        ("the vendor", &ours, leaf("localhost"), 200),
        ("expired", &ours, expired, 403),
        ("not yet valid", &ours, early, 403),
        ("of another host", &ours, leaf("other.test"), 403),
        ("of a host that begins alike", &ours, leaf("localhost.evil.test"), 403),
        ("of an authority nobody trusts", &foreign, leaf("localhost"), 403),
    ] {
        let (address, heard) = vendor(signed_by, params).await;
        let status = tokio::task::spawn_blocking({
            let gateway = Gateway::start(app.address, address, &ours);
            move || gateway.act("62.4.31.7")
        });
        assert_eq!(status.await.unwrap(), expected, "a certificate that is {what}");
        assert_eq!(heard.load(Ordering::SeqCst), usize::from(expected == 200), "{what}: what it was told");
    }
    let plain = crate::origin::Recorder::answering(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"score\":1}",
    )
    .await;
    let gateway = Gateway::start(app.address, plain.address, &ours);
    let status = tokio::task::spawn_blocking(move || gateway.act("62.4.31.7")).await.unwrap();
    assert_eq!(status, 403, "a vendor without TLS where https is written");
    assert_eq!(plain.seen().len(), 0);
    assert_eq!(app.seen().len(), 1, "one request was let in, by the one vendor");
}
