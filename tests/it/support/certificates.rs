//! Authorities of a test's own, and what they sign: files in PEM, as an operator would have them.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key, and a file that holds both.
pub struct Identity {
    pub certificate: String,
    pub key: String,
    pub both: String,
}

impl Authority {
    pub fn new() -> Authority {
        let folder = tempfile::Builder::new().prefix("sessiongate-certificates.").tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
        fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Authority { issuer: Issuer::new(params, key), folder }
    }

    /// The certificate by which this authority is known.
    pub fn file(&self) -> String {
        self.path("ca.pem")
    }

    /// Signs a certificate of this name for the servers of this machine, and for clients.
    pub fn sign(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let (certificate, key) = (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem());
        let write = |kind: &str, text: &str| {
            let file = format!("{name}.{kind}.pem");
            fs::write(self.folder.path().join(&file), text).unwrap();
            self.path(&file)
        };
        let both = write("both", &format!("{key}{certificate}"));
        Identity { certificate: write("certificate", &certificate), key: write("key", &key), both }
    }

    /// A file beside the certificates.
    pub fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.folder.path().join(name), text).unwrap();
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        path.to_str().unwrap().to_owned()
    }
}
