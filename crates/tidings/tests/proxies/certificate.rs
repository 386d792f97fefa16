//! One certificate for `localhost` in all tests of this process, which nobody but itself vouches
//! for.
//!
//! Owns its files. All proxies use the same one, so that the one browser needs to be told of one.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// The name that it is for.
pub(crate) const NAME: &str = "localhost";

pub(crate) static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(Certificate::make);

pub(crate) struct Certificate {
    pub(crate) pem: String,
    pub(crate) key_pem: String,
    der: CertificateDer<'static>,
    /// The SHA-256 of its public key in Base64, by which Chromium is told to trust it.
    pub(crate) key_digest: String,
}

impl Certificate {
    fn make() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([NAME.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, NAME);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            der: certificate.der().clone(),
            key_digest: STANDARD.encode(digest(&SHA256, &key.subject_public_key_info())),
        }
    }

    /// TLS for a client that trusts this certificate alone and speaks `protocol`.
    pub(crate) fn client(&self, protocol: &str) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let mut config = versions.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Arc::new(config)
    }

    /// Writes certificate, key, and both in one file into a folder. Returns the three paths.
    pub(crate) fn write(&self, folder: &std::path::Path) -> [PathBuf; 3] {
        let both = format!("{}{}", self.pem, self.key_pem);
        [
            ("certificate.pem", &self.pem),
            ("key.pem", &self.key_pem),
            ("both.pem", &both),
        ]
        .map(|(name, content)| {
            let path = folder.join(name);
            std::fs::write(&path, content).unwrap();
            path
        })
    }
}
