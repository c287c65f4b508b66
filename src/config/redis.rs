//! The `[redis]` section: where the windows are kept, as whom, and how the line there is guarded.

use super::Secret;
use super::error::Fault;
use super::keys::{self, KeySpec};
use super::reader::Reader;
use redis::{ConnectionAddr, IntoConnectionInfo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;

/// Where the windows are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RedisConfig {
    /// The URL, most likely with a password in it.
    pub url: Secret,
    /// Stands before all keys.
    pub key_prefix: String,
    /// The user, when the URL names none.
    pub username: Option<String>,
    /// The password, when the URL holds none.
    pub password: Option<Secret>,
    /// What guards the line, beyond the URL's scheme.
    pub tls: TlsConfig,
    /// Who knows where the primary is, when the URL does not say.
    pub sentinel: Option<SentinelConfig>,
    /// Some servers of a cluster, `host:port` with commas between.
    pub cluster: Option<String>,
}

/// Certificates, each as PEM.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsConfig {
    /// Those who may vouch for Redis; without them, those whom the machine trusts.
    pub authorities: Option<String>,
    /// What we show to Redis.
    pub certificate: Option<String>,
    /// The key of that.
    pub key: Option<Secret>,
}

/// The Sentinels of a primary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SentinelConfig {
    /// `host:port`, with commas between.
    pub nodes: String,
    /// The primary's name there.
    pub master: String,
    /// Our user at the Sentinels.
    pub username: Option<String>,
    /// Our password at the Sentinels.
    pub password: Option<Secret>,
}

pub(super) fn read(reader: &mut Reader<'_>) -> RedisConfig {
    RedisConfig {
        url: reader.required(&keys::REDIS_URL),
        username: reader.optional(keys::REDIS_USERNAME.name, &keys::REDIS_USERNAME),
        password: reader.optional(keys::REDIS_PASSWORD.name, &keys::REDIS_PASSWORD),
        tls: TlsConfig {
            authorities: pem(reader, &keys::REDIS_TLS_CA_FILE, certificates),
            certificate: pem(reader, &keys::REDIS_TLS_CERTIFICATE_FILE, certificates),
            key: pem(reader, &keys::REDIS_TLS_KEY_FILE, private_key).map(Secret::new),
        },
        sentinel: sentinel(reader),
        cluster: reader.optional(keys::REDIS_CLUSTER_NODES.name, &keys::REDIS_CLUSTER_NODES),
        key_prefix: reader.optional(keys::REDIS_KEY_PREFIX.name, &keys::REDIS_KEY_PREFIX).unwrap_or_default(),
    }
}

fn sentinel(reader: &mut Reader<'_>) -> Option<SentinelConfig> {
    let nodes = reader.optional(keys::REDIS_SENTINEL_NODES.name, &keys::REDIS_SENTINEL_NODES);
    let master = reader.required(&keys::REDIS_SENTINEL_MASTER);
    let username = reader.optional(keys::REDIS_SENTINEL_USERNAME.name, &keys::REDIS_SENTINEL_USERNAME);
    let password = reader.optional(keys::REDIS_SENTINEL_PASSWORD.name, &keys::REDIS_SENTINEL_PASSWORD);
    Some(SentinelConfig { nodes: nodes?, master, username, password })
}

/// The text of a file that must hold what `check` looks for.
fn pem(reader: &mut Reader<'_>, key: &KeySpec, check: fn(&str) -> Result<(), &'static str>) -> Option<String> {
    let path: String = reader.optional(key.name, key)?;
    let read =
        (reader.sources.read_file)(Path::new(&path)).map_err(|error| format!("the file cannot be read: {error}"));
    match read.and_then(|text| check(&text).map(|()| text).map_err(str::to_owned)) {
        Ok(text) => Some(text),
        Err(problem) => {
            reader.fault(key.name, Fault::new(problem, "give the path of a readable PEM file"));
            None
        }
    }
}

fn certificates(text: &str) -> Result<(), &'static str> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match read {
        Ok(found) if !found.is_empty() => Ok(()),
        _ => Err("the file holds no certificate in PEM"),
    }
}

fn private_key(text: &str) -> Result<(), &'static str> {
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map(drop).map_err(|_| "the file holds no private key in PEM")
}

/// A login stands in one place, and what TLS needs is there when TLS is.
pub(super) fn fits_together(reader: &mut Reader<'_>, redis: &RedisConfig) {
    let Ok(info) = redis.url.expose().into_connection_info() else { return };
    let RedisConfig { url: _, key_prefix: _, username, password, tls, sentinel: _, cluster: _ } = redis;
    let settings = info.redis_settings();
    for (key, given, in_url) in [
        (&keys::REDIS_USERNAME, username.is_some(), settings.username().is_some()),
        (&keys::REDIS_PASSWORD, password.is_some(), settings.password().is_some()),
    ] {
        if given && in_url {
            let fault =
                Fault::new("is given here and in redis.url", format!("leave one out: {} or the URL's", key.name));
            reader.fault(key.name, fault);
        }
    }
    cluster_fits(reader, redis, settings.db());
    let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    for (key, given) in [
        (&keys::REDIS_TLS_CA_FILE, tls.authorities.is_some()),
        (&keys::REDIS_TLS_CERTIFICATE_FILE, tls.certificate.is_some()),
        (&keys::REDIS_TLS_KEY_FILE, tls.key.is_some()),
    ] {
        if given && !is_tls {
            reader.fault(key.name, Fault::new("redis.url asks for no TLS", "write rediss:// there, or leave this out"));
        }
    }
    let (certificate, private_key) = (keys::REDIS_TLS_CERTIFICATE_FILE.name, keys::REDIS_TLS_KEY_FILE.name);
    let lone = match (tls.certificate.is_some(), tls.key.is_some()) {
        (true, false) if !reader.errors.concern(private_key) => Some((certificate, private_key)),
        (false, true) if !reader.errors.concern(certificate) => Some((private_key, certificate)),
        _ => None,
    };
    if let Some((given, missing)) = lone {
        reader.fault(given, Fault::new("is of no use alone", format!("set {missing} too")));
    }
}

fn cluster_fits(reader: &mut Reader<'_>, redis: &RedisConfig, database: i64) {
    if redis.cluster.is_none() {
        return;
    }
    let key = keys::REDIS_CLUSTER_NODES.name;
    if redis.sentinel.is_some() {
        let remedy = "leave out redis.sentinel.nodes: a cluster promotes its replicas by itself";
        reader.fault(key, Fault::new("is given together with redis.sentinel.nodes", remedy));
    }
    if database != 0 {
        reader.fault(key, Fault::new("a cluster has no numbered databases", "leave the database out of redis.url"));
    }
    if redis.key_prefix.contains(['{', '}']) {
        let fault = Fault::new("would put all keys on one server of the cluster", "give a prefix without braces");
        reader.fault(keys::REDIS_KEY_PREFIX.name, fault);
    }
}
