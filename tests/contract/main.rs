//! The contracts against the code that reads and writes, against their files, and against what was released.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod asyncapi;
mod breaking;
mod inputs;
mod outputs;

use jsonschema::Validator;
use serde_json::Value;
use sessiongate::contract::{self, CONTRACTS, Contract};
use std::fs;
use std::path::{Path, PathBuf};

/// An independent validator of a contract, formats included.
fn validator(contract: &Contract) -> Validator {
    jsonschema::draft202012::options().should_validate_formats(true).build(&contract.schema()).unwrap()
}

fn named(name: &str) -> &'static Contract {
    contract::find(name).unwrap_or_else(|| panic!("there is no contract {name}"))
}

fn examples(contract: &Contract) -> Vec<Value> {
    contract.examples.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

fn errors(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn read_json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_files_are_what_the_types_say() {
    for (name, text) in contract::files() {
        let file = fs::read_to_string(folder().join(&name)).unwrap_or_default();
        assert!(
            file == text,
            "schemas/{name} is not what the types say: write it anew with `cargo run -- schema write`"
        );
    }
    let expected = contract::files().len();
    let found = fs::read_dir(folder()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count();
    assert_eq!(found, expected, "schemas/ holds a file that no contract writes");
}

#[test]
fn every_schema_is_one_and_its_examples_are_valid() {
    for contract in &CONTRACTS {
        let schema = contract.schema();
        jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|error| panic!("{}: {error}", contract.name));
        let validator = validator(contract);
        assert!(!contract.examples.is_empty(), "{} has no example", contract.name);
        for example in examples(contract) {
            assert_eq!(errors(&validator, &example), Vec::<String>::new(), "{}: {example}", contract.name);
        }
    }
}
