//! Where a Redis is, as whom it is reached, and how the line there is guarded.

use super::errors;
use crate::ports::StoreError;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    TlsCertificates,
};
use std::fmt;

/// What the URL does not say of the way to Redis.
#[derive(Clone, Default)]
pub struct Access {
    /// The user and the password, when the URL holds none.
    pub login: Login,
    /// Certificates, for `rediss://`.
    pub tls: Tls,
    /// Who knows where the primary is, when the URL's host and port do not say.
    pub sentinel: Option<SentinelAccess>,
    /// Some servers of a cluster; empty when it is none. The URL's host and port are then of no account.
    pub cluster: Vec<Node>,
}

/// A user and a password.
#[derive(Clone, Default)]
pub struct Login {
    /// The ACL user; the default one, when absent.
    pub username: Option<String>,
    /// The password; nothing is proven when absent.
    pub password: Option<String>,
}

/// Certificates, each as PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// Those who may vouch for Redis; without them, those whom the machine trusts.
    pub authorities: Option<String>,
    /// Our certificate and its key.
    pub identity: Option<(String, String)>,
}

/// The Sentinels of a primary.
#[derive(Clone)]
pub struct SentinelAccess {
    /// Where they are.
    pub nodes: Vec<Node>,
    /// The primary's name there.
    pub master: String,
    /// As whom they are asked.
    pub login: Login,
}

/// A host and a port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Node {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Node {
    /// Reads `host:port`, with brackets around an address that holds colons.
    pub fn parse(text: &str) -> Option<Node> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some(Node { host: host.to_owned(), port: port.parse().ok()? })
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Node { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// How to open a connection: a client that says nothing by itself, and what is said first.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) client: Client,
    pub(super) login: Login,
    /// The numbered database.
    pub(super) database: i64,
    /// The keys in which an operator finds the login.
    pub(super) login_keys: &'static str,
}

impl Way {
    /// The way that the URL and what is said beside it describe. Connects to nothing.
    pub(super) fn new(url: &str, access: &Access) -> Result<Way, StoreError> {
        let info = url.into_connection_info().map_err(|error| errors::bad_url(&error))?;
        let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        // Without one, building the TLS client would panic.
        if is_tls && rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(errors::no_tls());
        }
        let settings = info.redis_settings();
        let database = settings.db();
        let login = Login {
            username: access.login.username.clone().or_else(|| settings.username().map(str::to_owned)),
            password: access.login.password.clone().or_else(|| settings.password().map(str::to_owned)),
        };
        let tcp_settings = info.tcp_settings().clone().set_nodelay(true);
        // The library's greeting waits for each of its answers by itself, and hides why a login is refused.
        let silent = RedisConnectionInfo::default().set_skip_set_lib_name().set_protocol(ProtocolVersion::RESP2);
        let info = info.set_tcp_settings(tcp_settings).set_redis_settings(silent);
        let client = match is_tls {
            true => Client::build_with_tls(info, certificates(&access.tls)).map_err(|error| errors::bad_tls(&error))?,
            false => Client::open(info).map_err(|error| errors::bad_url(&error))?,
        };
        let login_keys = "redis.username and redis.password (or those in redis.url)";
        Ok(Way { client, login, database, login_keys })
    }

    /// The same to another host and port.
    pub(super) fn to(&self, node: &Node) -> Result<Way, StoreError> {
        let info = self.info();
        let (host, port) = (node.host.clone(), node.port);
        let address = match info.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        let client = Client::open(info.clone().set_addr(address)).map_err(|error| errors::bad_url(&error))?;
        Ok(Way { client, ..self.clone() })
    }

    pub(super) fn info(&self) -> &ConnectionInfo {
        self.client.get_connection_info()
    }
}

fn certificates(tls: &Tls) -> TlsCertificates {
    let client_tls = tls.identity.as_ref().map(|(certificate, key)| ClientTlsConfig {
        client_cert: certificate.clone().into_bytes(),
        client_key: key.clone().into_bytes(),
    });
    TlsCertificates { client_tls, root_cert: tls.authorities.clone().map(String::into_bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_work_is_refused_before_anything_is_sent() {
        let table = [
            ("127.0.0.1:6379", "redis.url"),
            ("http://127.0.0.1", "redis.url"),
            ("redis://127.0.0.1/first", "redis.url"),
            // Tests install no cryptography, and rustls would panic without.
            ("rediss://127.0.0.1", "TLS"),
        ];
        for (url, word) in table {
            match Way::new(url, &Access::default()) {
                Err(StoreError::Misconfigured(text)) => assert!(text.contains(word), "{url}: {text}"),
                Err(error) => panic!("{url}: {error:?}"),
                Ok(_) => panic!("{url} is taken"),
            }
        }
        for url in ["redis://worker:geheim@redis.example:6380/3", "redis://[::1]", "unix:///run/redis.sock"] {
            assert!(Way::new(url, &Access::default()).is_ok(), "{url}");
        }
    }

    #[test]
    fn the_login_of_the_url_gives_way_to_the_one_beside_it() {
        let beside = Login { username: None, password: Some("b".into()) };
        let way = Way::new("redis://ann:a@redis/3", &Access { login: beside, ..Access::default() }).unwrap();
        assert_eq!((way.login.username.as_deref(), way.login.password.as_deref()), (Some("ann"), Some("b")));
        assert_eq!((way.database, way.info().redis_settings().password()), (3, None));
        let there = way.to(&Node::parse("[::1]:7000").unwrap()).unwrap();
        assert_eq!((there.info().addr().to_string().as_str(), there.database), ("::1:7000", 3));
    }

    #[test]
    fn a_node_reads_as_it_is_written() {
        for text in ["redis-1:6379", "10.0.0.7:26379", "[::1]:7000"] {
            assert_eq!(Node::parse(text).map(|node| node.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Node::parse("redis"), None);
        assert_eq!(Node::parse("redis:port"), None);
    }
}
