//! One parser per type of value: the file's values are texts here, just as the environment's are.

use super::error::Fault;
use super::keys::{Kind, span_text};
use super::secret::Secret;
use super::{Format, Guarantee, Partitioning, telemetry};
use crate::core::time::Span;
use redis::IntoConnectionInfo;
use std::net::{Ipv4Addr, SocketAddr};

/// A type that is read from a text, within what its key's kind allows.
pub(super) trait FromText: Sized {
    /// Reads it.
    fn from_text(text: &str, kind: &Kind) -> Result<Self, Fault>;

    /// Any value: it stands in for a wrong one until all that is wrong is known, and is never used.
    fn placeholder() -> Self;
}

/// A key that is read as another type than its kind: every load would fail, so that no release can hold it.
pub(super) fn mismatch(kind: &Kind) -> Fault {
    Fault::new(format!("this key is a {} and is read as something else", kind.type_name()), "report this")
}

impl FromText for Span {
    fn from_text(text: &str, kind: &Kind) -> Result<Span, Fault> {
        let Kind::Duration { min, max } = *kind else { return Err(mismatch(kind)) };
        let remedy = || format!("give {}", kind.allowed());
        let duration = humantime::parse_duration(text).map_err(|error| {
            let unitless = matches!(&error, humantime::DurationError::UnknownUnit { unit, .. } if unit.is_empty());
            let problem = if unitless { "has no unit" } else { "is not a duration" };
            Fault::new(problem, remedy())
        })?;
        if duration.subsec_nanos() % 1_000_000 != 0 {
            return Err(Fault::new("is finer than a millisecond", remedy()));
        }
        let span = Span::from_millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
        if span < min {
            return Err(Fault::new(format!("is shorter than {}", span_text(min)), remedy()));
        }
        if span > max {
            return Err(Fault::new(format!("is longer than {}", span_text(max)), remedy()));
        }
        Ok(span)
    }

    fn placeholder() -> Span {
        Span::ZERO
    }
}

impl FromText for usize {
    fn from_text(text: &str, kind: &Kind) -> Result<usize, Fault> {
        let Kind::Count { min, max, .. } = *kind else { return Err(mismatch(kind)) };
        let remedy = || format!("give {}", kind.allowed());
        let number: u64 = text.parse().map_err(|_| Fault::new("is not a whole number", remedy()))?;
        match usize::try_from(number) {
            Ok(count) if (min..=max).contains(&number) => Ok(count),
            _ => Err(Fault::new("is out of range", remedy())),
        }
    }

    fn placeholder() -> usize {
        0
    }
}

impl FromText for bool {
    fn from_text(text: &str, kind: &Kind) -> Result<bool, Fault> {
        match (text, kind) {
            ("true", Kind::Switch | Kind::Kinds) => Ok(true),
            ("false", Kind::Switch | Kind::Kinds) => Ok(false),
            (_, Kind::Switch | Kind::Kinds) => Err(Fault::new("is neither true nor false", "give true or false")),
            _ => Err(mismatch(kind)),
        }
    }

    fn placeholder() -> bool {
        false
    }
}

impl FromText for SocketAddr {
    fn from_text(text: &str, kind: &Kind) -> Result<SocketAddr, Fault> {
        let Kind::Address = kind else { return Err(mismatch(kind)) };
        text.parse().map_err(|_| Fault::new("is not an address", format!("give {}", kind.allowed())))
    }

    fn placeholder() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    }
}

impl FromText for Guarantee {
    fn from_text(text: &str, kind: &Kind) -> Result<Guarantee, Fault> {
        match choice(text, kind)? {
            "at-least-once" => Ok(Guarantee::AtLeastOnce),
            _ => Ok(Guarantee::ExactlyOnce),
        }
    }

    fn placeholder() -> Guarantee {
        Guarantee::ExactlyOnce
    }
}

impl FromText for Partitioning {
    fn from_text(text: &str, kind: &Kind) -> Result<Partitioning, Fault> {
        match choice(text, kind)? {
            "co-partitioned" => Ok(Partitioning::CoPartitioned),
            _ => Ok(Partitioning::Any),
        }
    }

    fn placeholder() -> Partitioning {
        Partitioning::Any
    }
}

impl FromText for Format {
    fn from_text(text: &str, kind: &Kind) -> Result<Format, Fault> {
        Ok(match choice(text, kind)? {
            "canonical" => Format::Canonical,
            "meta" => Format::Meta,
            "bird" => Format::Bird,
            "twilio" => Format::Twilio,
            _ => Format::Auto,
        })
    }

    fn placeholder() -> Format {
        Format::Auto
    }
}

fn choice(text: &str, kind: &Kind) -> Result<&'static str, Fault> {
    let Kind::Choice(words) = *kind else { return Err(mismatch(kind)) };
    let word = words.iter().find(|word| **word == text);
    word.copied().ok_or_else(|| Fault::new("is none of the choices", format!("give {}", kind.allowed())))
}

impl FromText for String {
    fn from_text(text: &str, kind: &Kind) -> Result<String, Fault> {
        if let Kind::Brokers | Kind::Nodes = kind {
            return addresses(text, kind);
        }
        if let Kind::HttpUrl = kind {
            return telemetry::endpoint(text, kind);
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let length = text.chars().count();
        let fits = match kind {
            Kind::Text => (1..=200).contains(&length) && text.trim() == text && !text.chars().any(char::is_control),
            Kind::Path => (1..=4_096).contains(&length) && !text.chars().any(char::is_control),
            Kind::Name => (1..=100).contains(&length) && text.chars().all(is_name),
            Kind::Topic => (1..=249).contains(&length) && text.chars().all(is_name) && text != "." && text != "..",
            Kind::KeyPrefix => length <= 100 && text.chars().all(|c| is_name(c) || ":/{}".contains(c)),
            _ => return Err(mismatch(kind)),
        };
        if fits {
            return Ok(text.to_owned());
        }
        let problem = match kind {
            _ if text.is_empty() => "is empty",
            Kind::Topic => "is not a topic name",
            _ => "does not fit",
        };
        Err(Fault::new(problem, format!("give {}", kind.allowed())))
    }

    fn placeholder() -> String {
        String::new()
    }
}

fn addresses(text: &str, kind: &Kind) -> Result<String, Fault> {
    let remedy = || format!("give {}", kind.allowed());
    let (what, protocol) = match kind {
        Kind::Brokers => ("broker", "security.protocol in kafka.consumer and kafka.producer"),
        _ => ("node", "rediss:// in redis.url for TLS"),
    };
    if text.contains("://") {
        return Err(Fault::new("holds a protocol", format!("give host:port alone, and {protocol}")));
    }
    let addresses: Vec<&str> = text.split(',').map(str::trim).filter(|address| !address.is_empty()).collect();
    if addresses.is_empty() {
        return Err(Fault::new(format!("names no {what}"), remedy()));
    }
    match addresses.iter().position(|address| !is_host_and_port(address)) {
        None => Ok(addresses.join(",")),
        Some(index) => Err(Fault::new(format!("{what} {} of the list is not host:port", index + 1), remedy())),
    }
}

fn is_host_and_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_host_name =
        |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    is_port && (is_host_name(host) || address.parse::<SocketAddr>().is_ok())
}

impl FromText for Secret {
    fn from_text(text: &str, kind: &Kind) -> Result<Secret, Fault> {
        let remedy = || format!("give {}", kind.allowed());
        match kind {
            Kind::RedisUrl if text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                return Err(Fault::new("holds a space or a line break", remedy()));
            }
            Kind::RedisUrl => {
                if let Err(error) = text.into_connection_info() {
                    // The client's description stands before the dash and quotes nothing; what follows it may.
                    let words = error.to_string();
                    let description = words.split(" - ").next().unwrap_or_default();
                    return Err(Fault::new(format!("is not usable: {description}"), remedy()));
                }
            }
            Kind::Token if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) => {
                return Err(Fault::new("could not be sent in a header", remedy()));
            }
            Kind::Password if text.is_empty() || text.contains(char::is_control) => {
                return Err(Fault::new("is empty or holds a line break", remedy()));
            }
            Kind::Headers => telemetry::headers(text, kind)?,
            Kind::Token | Kind::Password => {}
            _ => return Err(mismatch(kind)),
        }
        Ok(Secret::new(text))
    }

    fn placeholder() -> Secret {
        Secret::default()
    }
}
