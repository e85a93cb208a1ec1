//! Certificates by the name the client asks for, replaced while connections stay open.
//!
//! A reload that cannot be used changes nothing and says why; handshakes that began keep what they chose.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use pingora::listeners::tls::Acceptor;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::settings::Certificate;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or holds no PEM of the right kind.
    #[error("cannot read `{path}`: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// Key and certificate do not belong together, or are of a kind that is not supported.
    #[error("cannot use `{path}`: {source}")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// The certificates of one listener.
#[derive(Debug)]
pub(crate) struct Store {
    files: Vec<Certificate>,
    keys: ArcSwap<Vec<Arc<CertifiedKey>>>,
}

impl Store {
    /// Reads every file; the first certificate also answers for names that none covers.
    pub(crate) fn open(files: &[Certificate]) -> Result<Self, TlsError> {
        Ok(Store { files: files.to_vec(), keys: ArcSwap::from_pointee(read(files)?) })
    }

    /// Reads the files again. On an error the old certificates stay.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        self.keys.store(Arc::new(read(&self.files)?));
        Ok(())
    }

    /// Takes TLS 1.2 and 1.3 with HTTP/2 and HTTP/1.1; no early data, which could be replayed.
    pub(crate) fn acceptor(self: &Arc<Self>) -> Result<Acceptor, TlsError> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|source| TlsError::Unusable { path: PathBuf::new(), source })?;
        let mut config = config.with_no_client_auth().with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Acceptor::from_server_config(Arc::new(config)))
    }
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keys = self.keys.load();
        let wanted = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let fitting = wanted.and_then(|name| keys.iter().find(|key| covers(key, &name)));
        fitting.or_else(|| keys.first()).cloned()
    }
}

fn covers(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let leaf = key.cert.first().and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
    leaf.is_some_and(|leaf| rustls::client::verify_server_name(&leaf, name).is_ok())
}

fn read(files: &[Certificate]) -> Result<Vec<Arc<CertifiedKey>>, TlsError> {
    files.iter().map(|file| read_one(file).map(Arc::new)).collect()
}

fn read_one(file: &Certificate) -> Result<CertifiedKey, TlsError> {
    let unreadable = |path: &PathBuf| {
        let path = path.clone();
        move |source| TlsError::File { path, source }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&file.certificate)
        .and_then(Iterator::collect)
        .map_err(unreadable(&file.certificate))?;
    let key = PrivateKeyDer::from_pem_file(&file.key).map_err(unreadable(&file.key))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|source| TlsError::Unusable { path: file.certificate.clone(), source })
}
