//! `sessiongate check`.

use super::args::{Arguments, CheckArguments};
use super::{FAILURE, MISCONFIGURED, SUCCESS};
use crate::app::preflight::{self, Severity};
use crate::config;

/// Tells everything that is wrong, in the configuration and outside. A configuration with errors cannot say where
/// Kafka and Redis are, except by what is right in it or by default.
pub(super) fn check(arguments: &Arguments, check: &CheckArguments) -> u8 {
    let (loaded, errors) = match config::process::load(arguments.config.as_deref()) {
        Ok(loaded) => (Some(loaded), None),
        Err(errors) => (config::remainder::without(arguments.config.as_deref(), &errors), Some(errors)),
    };
    if let Some(errors) = &errors {
        println!("{errors}");
    }
    let Some((config, warnings)) = loaded else { return MISCONFIGURED };
    warnings.iter().for_each(|warning| println!("warning: {warning}"));
    if check.print {
        for entry in config.redacted() {
            println!("{} = {:?}  # {}", entry.key, entry.value, entry.origin);
        }
    }
    let refused = preflight::admin_settings(&config).refused();
    refused.iter().for_each(|refused| println!("{refused}"));
    // Clients that cannot be made cannot ask anything.
    let problems = if refused.is_empty() { preflight::examine(&config).1 } else { Vec::new() };
    for problem in &problems {
        let label = if problem.severity == Severity::Hint { "hint" } else { "problem" };
        println!("{label}: {problem}");
    }
    let cannot_work = problems.iter().any(|problem| problem.severity == Severity::Misconfigured);
    let is_misconfigured = errors.is_some() || !refused.is_empty() || cannot_work;
    match (is_misconfigured, problems.iter().any(|problem| problem.severity > Severity::Hint)) {
        (true, _) => MISCONFIGURED,
        (false, true) => FAILURE,
        (false, false) => {
            let instance = config.worker.instance.as_deref();
            let name = instance.map_or("a random one at each start".to_owned(), |name| format!("`{name}`"));
            println!("Kafka, its topics and Redis are as the worker needs them; its instance name is {name}");
            SUCCESS
        }
    }
}
