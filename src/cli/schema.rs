//! `sessiongate schema list`, `show` and `write`.

use super::args::{SchemaCommand, ShowSchemaArguments, WriteSchemasArguments};
use super::{FAILURE, SUCCESS};
use crate::contract::{self, CONTRACTS, Direction};
use std::fs;

pub(super) fn schema(command: &SchemaCommand) -> u8 {
    match command {
        SchemaCommand::List => list(),
        SchemaCommand::Show(show) => self::show(show),
        SchemaCommand::Write(write) => self::write(write),
    }
}

fn list() -> u8 {
    for contract in &CONTRACTS {
        let direction = match contract.direction {
            Direction::In => "in ",
            Direction::Out => "out",
        };
        println!("{:<20} {direction}  {}", contract.name, contract.summary);
    }
    println!("{:<20}      topics, keys, headers and values as an AsyncAPI 3 document", "asyncapi");
    SUCCESS
}

fn show(arguments: &ShowSchemaArguments) -> u8 {
    let file_name = format!("{}.json", arguments.name);
    match contract::files().into_iter().find(|(name, _)| *name == file_name) {
        Some((_, text)) => {
            print!("{text}");
            SUCCESS
        }
        None => {
            eprintln!("sessiongate: there is no schema {}; `sessiongate schema list` names them", arguments.name);
            FAILURE
        }
    }
}

fn write(arguments: &WriteSchemasArguments) -> u8 {
    let folder = &arguments.folder;
    let written = fs::create_dir_all(folder)
        .and_then(|()| contract::files().iter().try_for_each(|(name, text)| fs::write(folder.join(name), text)));
    match written {
        Ok(()) => {
            println!("{} files written to {}", CONTRACTS.len() + 1, folder.display());
            SUCCESS
        }
        Err(error) => {
            eprintln!("sessiongate: writing to {}: {error}", folder.display());
            FAILURE
        }
    }
}
