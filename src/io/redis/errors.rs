//! What went wrong with Redis, and what to do about it. No text holds a password or a key.

use crate::ports::StoreError;
use redis::{ConnectionAddr, ErrorKind, RedisError, ServerError};
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use std::error::Error;
use std::io;
use std::sync::Arc;

pub(super) fn bad_url(error: &RedisError) -> StoreError {
    let cause = error.to_string();
    StoreError::Misconfigured(format!(
        "redis.url is not usable ({cause}): write redis://USER:PASSWORD@HOST:PORT/DATABASE"
    ))
}

pub(super) fn no_tls() -> StoreError {
    StoreError::Misconfigured("redis.url asks for TLS (rediss://), which this build lacks: use redis://".to_owned())
}

pub(super) fn bad_tls(error: &RedisError) -> StoreError {
    StoreError::Misconfigured(format!(
        "TLS to Redis cannot be set up ({error}): look at redis.tls_ca_file, redis.tls_certificate_file and \
         redis.tls_key_file"
    ))
}

pub(super) fn unexpected_answer(what: &str) -> StoreError {
    StoreError::Unavailable(format!("Redis gave an answer to {what} that no Redis 7 gives: is it a Redis at all?"))
}

pub(super) fn not_primary(address: &ConnectionAddr) -> StoreError {
    StoreError::Unavailable(format!(
        "Redis at {address} is no primary (any more): waiting for the Sentinels to name another"
    ))
}

pub(super) fn no_sentinel() -> StoreError {
    StoreError::Misconfigured("redis.sentinel.nodes names no Sentinel".to_owned())
}

pub(super) fn unknown_master(address: &ConnectionAddr, master: &str) -> StoreError {
    StoreError::Misconfigured(format!(
        "the Sentinel at {address} knows no primary by the name {master}: correct redis.sentinel.master"
    ))
}

/// One server that does not know us explains more than another that is away.
pub(super) fn graver(one: Option<StoreError>, other: StoreError) -> StoreError {
    match one {
        Some(misconfigured @ StoreError::Misconfigured(_)) => misconfigured,
        _ => other,
    }
}

pub(super) fn no_cluster_node() -> StoreError {
    StoreError::Misconfigured("redis.cluster.nodes names no server".to_owned())
}

pub(super) fn no_whole_cluster(address: &ConnectionAddr) -> StoreError {
    StoreError::Unavailable(format!("the cluster that Redis at {address} belongs to has slots without an owner"))
}

/// A server answered the question for the slot map with an error.
pub(super) fn of_cluster_nodes(error: &ServerError, address: &ConnectionAddr, login_keys: &str) -> StoreError {
    if error.details().is_some_and(|details| details.contains("cluster support disabled")) {
        return StoreError::Misconfigured(format!(
            "Redis at {address} belongs to no cluster: leave redis.cluster.nodes out, or correct it"
        ));
    }
    of_server(error, login_keys)
}

pub(super) fn slot_on_its_way() -> StoreError {
    StoreError::Unavailable(
        "a slot of the cluster is on its way to another server: waiting until it is there".to_owned(),
    )
}

pub(super) fn slots_keep_moving() -> StoreError {
    StoreError::Unavailable("the servers of the cluster do not agree on who owns which slots yet".to_owned())
}

pub(super) fn written_and_lost() -> StoreError {
    StoreError::Unavailable("a server of the cluster lost what it had just been given: it is given again".to_owned())
}

pub(super) fn no_randomness(error: &getrandom::Error) -> StoreError {
    StoreError::Unavailable(format!("this machine gives no random numbers: {error}"))
}

/// The connection failed, or could not be made.
pub(super) fn of_connection(error: &RedisError, address: &ConnectionAddr) -> StoreError {
    if let Some(fault) = tls_error(error) {
        return of_tls(fault, address);
    }
    match error.kind() {
        ErrorKind::InvalidClientConfig => bad_tls(error),
        _ if error.is_timeout() && matches!(address, ConnectionAddr::TcpTls { .. }) => StoreError::Unavailable(
            format!("Redis at {address} did not answer in time (does it speak TLS on that port?)"),
        ),
        _ if error.is_timeout() => StoreError::Unavailable(format!("Redis at {address} did not answer in time")),
        _ => StoreError::Unavailable(format!("Redis at {address} cannot be reached: {error}")),
    }
}

/// The error of the TLS layer, which the client wraps twice.
fn tls_error(error: &RedisError) -> Option<&TlsError> {
    let wrapped = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    if let Some(fault) = wrapped.downcast_ref::<TlsError>() {
        return Some(fault);
    }
    wrapped.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

fn of_tls(fault: &TlsError, address: &ConnectionAddr) -> StoreError {
    let (is_ours, remedy) = match fault {
        TlsError::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => (false, "renew its certificate"),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                (true, "its certificate is for another name than the one in redis.url: use that name")
            }
            _ => (true, "name the authority that signed its certificate in redis.tls_ca_file"),
        },
        TlsError::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure) => {
            (true, "it asks for our certificate: set redis.tls_certificate_file and redis.tls_key_file")
        }
        TlsError::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::DecryptError
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate,
        ) => (true, "it does not accept our certificate: look at redis.tls_certificate_file"),
        TlsError::InvalidMessage(_) => (true, "it speaks no TLS there: give its TLS port, or redis:// in redis.url"),
        _ => (false, "look at its own log"),
    };
    let text = format!("no TLS connection with Redis at {address} ({fault}): {remedy}");
    if is_ours { StoreError::Misconfigured(text) } else { StoreError::Unavailable(text) }
}

/// Redis answered a login with an error.
pub(super) fn of_login(error: &ServerError, address: &ConnectionAddr, login_keys: &str) -> StoreError {
    // A password where none is asked for is refused with a general code.
    if error.code() == "WRONGPASS" || error.details().is_some_and(|details| details.starts_with("AUTH <password>")) {
        return StoreError::Misconfigured(format!(
            "Redis at {address} does not accept the user and password: check {login_keys}"
        ));
    }
    of_server(error, login_keys)
}

/// A Sentinel answered with an error.
pub(super) fn of_sentinel(error: &ServerError, address: &ConnectionAddr, login_keys: &str) -> StoreError {
    let (code, details) = (error.code(), error.details().unwrap_or_default());
    let text = |remedy: &str| format!("the Sentinel at {address} refuses ({code}: {details}): {remedy}");
    match code {
        "NOAUTH" => StoreError::Misconfigured(text(&format!("check {login_keys}"))),
        "NOPERM" => StoreError::Refused(text("grant its user SENTINEL GET-MASTER-ADDR-BY-NAME")),
        _ => StoreError::Refused(text("is it a Sentinel? correct redis.sentinel.nodes")),
    }
}

/// Redis answered with an error.
pub(super) fn of_server(error: &ServerError, login_keys: &str) -> StoreError {
    of_error_text(error.code(), error.details().unwrap_or_default(), login_keys)
}

fn of_error_text(code: &str, details: &str, login_keys: &str) -> StoreError {
    let remedy = match code {
        // These pass by themselves.
        "LOADING" | "MASTERDOWN" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "UNKILLABLE" | "NOSCRIPT" => {
            return StoreError::Unavailable(format!("Redis is not ready ({code}): {details}"));
        }
        "NEWER" => {
            return StoreError::Refused(
                "a window in Redis was written by a newer version; upgrade this worker".to_owned(),
            );
        }
        "OOM" => "it is full: give it more memory (maxmemory), and keep maxmemory-policy at noeviction",
        "READONLY" => "it is a read-only replica: point redis.url at the primary",
        "NOPERM" => "grant its user what deploy/redis-acl.conf grants (with redis.key_prefix before the keys)",
        "NOAUTH" | "WRONGPASS" => {
            return StoreError::Misconfigured(format!("Redis refuses ({code}: {details}): check {login_keys}"));
        }
        "WRONGTYPE" => "a key of ours holds something else: delete it, or choose another redis.key_prefix",
        "MISCONF" | "NOREPLICAS" => "it refuses writes as it is configured to: see its own log",
        "MOVED" | "ASK" | "CROSSSLOT" => "it is a Redis Cluster: name its servers in redis.cluster.nodes",
        _ => "it must be Redis 7.0 or Valkey 7.2, or later",
    };
    StoreError::Refused(format!("Redis refuses ({code}: {details}): {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_unavailable_and_all_else_says_what_to_do() {
        let table = [
            ("LOADING", None),
            ("BUSY", None),
            ("MASTERDOWN", None),
            ("OOM", Some("maxmemory")),
            ("READONLY", Some("primary")),
            ("NOSCRIPT", None),
            ("NOPERM", Some("deploy/redis-acl.conf")),
            ("WRONGTYPE", Some("redis.key_prefix")),
            ("NEWER", Some("newer version; upgrade this worker")),
            ("NOAUTH", Some("redis.password")),
            ("MOVED", Some("Cluster")),
            ("ERR", Some("7.0")),
        ];
        for (code, remedy) in table {
            match (of_error_text(code, "as Redis puts it", "redis.password"), remedy) {
                (StoreError::Unavailable(_), None) => {}
                (StoreError::Refused(text) | StoreError::Misconfigured(text), Some(remedy)) => {
                    assert!(text.contains(remedy), "{code}: {text}")
                }
                (error, _) => panic!("{code}: {error:?}"),
            }
        }
    }

    #[test]
    fn an_unusable_url_is_named_without_its_password() {
        let error = redis::Client::open("redis://worker:geheim@127.0.0.1:port").unwrap_err();
        let text = bad_url(&error).to_string();
        assert!(text.contains("redis.url") && !text.contains("geheim"), "{text}");
    }
}
