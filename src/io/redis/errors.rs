//! What went wrong with Redis, and what to do about it. No text holds a password or a key.

use crate::ports::StoreError;
use redis::{ConnectionAddr, ErrorKind, RedisError, ServerError};

pub(super) fn bad_url(error: &RedisError) -> StoreError {
    let cause = error.to_string();
    StoreError::Refused(format!("redis.url is not usable ({cause}): write redis://USER:PASSWORD@HOST:PORT/DATABASE"))
}

pub(super) fn no_tls() -> StoreError {
    StoreError::Refused("redis.url asks for TLS (rediss://), which this build lacks: use redis://".to_owned())
}

pub(super) fn unexpected_answer(what: &str) -> StoreError {
    StoreError::Unavailable(format!("Redis gave an answer to {what} that no Redis 7 gives: is it a Redis at all?"))
}

/// The connection failed, or could not be made.
pub(super) fn of_connection(error: &RedisError, address: &ConnectionAddr) -> StoreError {
    match error.kind() {
        ErrorKind::AuthenticationFailed => StoreError::Refused(format!(
            "Redis at {address} does not accept the user and password: check those in redis.url"
        )),
        ErrorKind::Server(_) | ErrorKind::Extension => {
            let (code, details) = (error.code().unwrap_or("ERR"), error.detail().unwrap_or_default());
            of_error_text(code, details)
        }
        _ if error.is_timeout() => StoreError::Unavailable(format!("Redis at {address} did not answer in time")),
        _ => StoreError::Unavailable(format!("Redis at {address} cannot be reached: {error}")),
    }
}

/// Redis answered with an error.
pub(super) fn of_server(error: &ServerError) -> StoreError {
    of_error_text(error.code(), error.details().unwrap_or_default())
}

fn of_error_text(code: &str, details: &str) -> StoreError {
    let remedy = match code {
        // These pass by themselves.
        "LOADING" | "MASTERDOWN" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "UNKILLABLE" => {
            return StoreError::Unavailable(format!("Redis is not ready ({code}): {details}"));
        }
        "NEWER" => {
            return StoreError::Refused(
                "a window in Redis was written by a newer version; upgrade this worker".to_owned(),
            );
        }
        "OOM" => "it is full: give it more memory (maxmemory), and keep maxmemory-policy at noeviction",
        "READONLY" => "it is a read-only replica: point redis.url at the primary",
        "NOPERM" => {
            "grant its user the commands GET, SET, MGET, TIME, EVALSHA and SCRIPT LOAD on the keys window:*, \
             frontier:* and advice:* (with redis.key_prefix before them)"
        }
        "NOAUTH" | "WRONGPASS" => "check the user and password in redis.url",
        "WRONGTYPE" => "a key of ours holds something else: delete it, or choose another redis.key_prefix",
        "MISCONF" | "NOREPLICAS" => "it refuses writes as it is configured to: see its own log",
        "MOVED" | "ASK" | "CROSSSLOT" => "it is a Redis Cluster: point redis.url at one primary without cluster mode",
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
            ("NOPERM", Some("EVALSHA")),
            ("WRONGTYPE", Some("redis.key_prefix")),
            ("NEWER", Some("newer version; upgrade this worker")),
            ("NOAUTH", Some("password")),
            ("MOVED", Some("Cluster")),
            ("ERR", Some("7.0")),
        ];
        for (code, remedy) in table {
            match (of_error_text(code, "as Redis puts it"), remedy) {
                (StoreError::Unavailable(_), None) => {}
                (StoreError::Refused(text), Some(remedy)) => assert!(text.contains(remedy), "{code}: {text}"),
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
