//! What was released is kept: a reader of outputs and a writer of inputs that were right stay right.
//!
//! Outputs may only promise more: whatever the new schema allows, the released one must have allowed. Inputs may only
//! demand less: whatever the released schema allowed, the new one must allow. Either way a field stays.

use super::{folder, named, read_json};
use serde_json::{Value, json};
use sessiongate::contract::{Direction, asyncapi};
use std::collections::BTreeSet;
use std::fs;

#[test]
fn nothing_that_was_released_is_broken() {
    let versions = fs::read_dir(folder().join("released")).unwrap().map(|entry| entry.unwrap().path());
    let number = |path: &std::path::PathBuf| -> Vec<u32> {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.split('.').map(|part| part.parse().expect("a folder of schemas/released is a version")).collect()
    };
    let last = versions.max_by_key(number).expect("a released version");
    let files = fs::read_dir(&last).unwrap().map(|entry| entry.unwrap().path());
    let schemas: Vec<_> = files.filter(|path| !path.ends_with(asyncapi::FILE_NAME)).collect();
    assert!(!schemas.is_empty(), "{} holds no schema", last.display());
    for path in schemas {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let contract = named(name);
        let broken = breaks(contract.direction, &read_json(&path), &contract.schema());
        assert!(broken.is_empty(), "{name} breaks what {} promised:\n  {}", last.display(), broken.join("\n  "));
    }
}

#[test]
fn what_breaks_readers_or_writers_is_told_and_the_rest_is_not() {
    let old = json!({
        "type": "object",
        "required": ["id", "kind"],
        "properties": {
            "id": { "type": "string", "maxLength": 10, "pattern": "^a" },
            "kind": { "$ref": "#/$defs/Kind" },
            "note": { "type": ["string", "null"] },
            "list": { "type": "array", "items": { "type": "string" } },
        },
        "$defs": { "Kind": { "oneOf": [{ "const": "a" }, { "const": "b" }] } },
    });
    let changes: [(&str, Value, bool, bool); 15] = [
        ("/description", json!("other words"), false, false),
        ("/properties/more", json!({ "type": "string" }), false, false),
        ("/required", json!(["id", "kind", "note"]), false, true),
        ("/required", json!(["id"]), true, false),
        ("/properties/note", Value::Null, true, true),
        ("/properties/note/type", json!("string"), false, true),
        ("/properties/note/type", json!(["string", "null", "integer"]), true, false),
        ("/properties/id/type", json!("integer"), true, true),
        ("/properties/id/maxLength", json!(20), true, false),
        ("/properties/id/maxLength", json!(5), false, true),
        ("/properties/id/minLength", json!(1), false, true),
        ("/properties/id/pattern", json!("^b"), true, true),
        ("/properties/list/items/type", json!("integer"), true, true),
        ("/$defs/Kind/oneOf", json!([{ "const": "a" }, { "const": "b" }, { "const": "c" }]), true, false),
        ("/$defs/Kind/oneOf", json!([{ "const": "a" }]), false, true),
    ];
    for (pointer, value, for_readers, for_writers) in changes {
        let mut new = old.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = new.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value.is_null() {
            true => drop(parent.remove(name)),
            false => drop(parent.insert(name.to_owned(), value.clone())),
        }
        let (out, input) = (breaks(Direction::Out, &old, &new), breaks(Direction::In, &old, &new));
        assert_eq!(!out.is_empty(), for_readers, "{pointer} = {value} for readers of outputs: {out:?}");
        assert_eq!(!input.is_empty(), for_writers, "{pointer} = {value} for writers of inputs: {input:?}");
    }
}

fn breaks(direction: Direction, old: &Value, new: &Value) -> Vec<String> {
    let (inner, outer) = match direction {
        Direction::Out => (new, old),
        Direction::In => (old, new),
    };
    let mut check = Check { inner, outer, found: lost_fields(old, new, "") };
    check.contained(inner, outer, "");
    check.found
}

/// Fields that are gone; they are followed down to where both sides have them.
fn lost_fields(old: &Value, new: &Value, path: &str) -> Vec<String> {
    let mut lost = Vec::new();
    for root in ["properties", "$defs"] {
        for (name, schema) in old[root].as_object().into_iter().flatten() {
            let path = format!("{path}/{name}");
            match new[root].get(name) {
                Some(new) => lost.extend(lost_fields(schema, new, &path)),
                None => lost.push(format!("{path} is gone")),
            }
        }
    }
    lost
}

/// Whether all that one schema allows, the other allows too; where in doubt, it does not.
struct Check<'a> {
    inner: &'a Value,
    outer: &'a Value,
    found: Vec<String>,
}

impl<'a> Check<'a> {
    fn contained(&mut self, inner: &'a Value, outer: &'a Value, path: &str) {
        let (inner, outer) = (resolved(self.inner, inner), resolved(self.outer, outer));
        self.types(inner, outer, path);
        self.limits(inner, outer, path);
        if let Some(allowed) = constants(outer)
            && !constants(inner).is_some_and(|inner| inner.is_subset(&allowed))
        {
            self.found.push(format!("{path} has other values"));
        }
        for word in ["pattern", "format", "anyOf", "not"] {
            if outer.get(word).is_some_and(|outer| inner.get(word) != Some(outer)) {
                self.found.push(format!("{path} has another {word}"));
            }
        }
        let required = |schema: &Value| -> BTreeSet<String> {
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        for name in required(outer).difference(&required(inner)) {
            self.found.push(format!("{path}/{name} is required on one side only"));
        }
        for (name, outer) in outer["properties"].as_object().into_iter().flatten() {
            if let Some(inner) = inner["properties"].get(name) {
                self.contained(inner, outer, &format!("{path}/{name}"));
            }
        }
        if outer.get("items").is_some() {
            self.contained(&inner["items"], &outer["items"], &format!("{path}[]"));
        }
    }

    fn types(&mut self, inner: &Value, outer: &Value, path: &str) {
        let types = |schema: &Value| -> Option<BTreeSet<String>> {
            let named = |value: &Value| value.as_str().map(str::to_owned);
            match &schema["type"] {
                Value::Null => None,
                Value::Array(several) => Some(several.iter().filter_map(named).collect()),
                one => Some(named(one).into_iter().collect()),
            }
        };
        if let Some(outer) = types(outer)
            && !types(inner).is_some_and(|inner| inner.is_subset(&outer))
        {
            self.found.push(format!("{path} has another type"));
        }
    }

    fn limits(&mut self, inner: &Value, outer: &Value, path: &str) {
        for (word, upwards) in [("minLength", false), ("minimum", false), ("maxLength", true), ("maxItems", true)] {
            let Some(outer) = outer[word].as_f64() else { continue };
            let within =
                inner[word].as_f64().is_some_and(|inner| if upwards { inner <= outer } else { inner >= outer });
            if !within {
                self.found.push(format!("{path} has another {word}"));
            }
        }
    }
}

fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|reference| root.pointer(reference.trim_start_matches('#')));
    target.unwrap_or(schema)
}

/// The values that a schema names one by one.
fn constants(schema: &Value) -> Option<BTreeSet<String>> {
    if let Some(only) = schema.get("const") {
        return Some(BTreeSet::from([only.to_string()]));
    }
    if let Some(values) = schema["enum"].as_array() {
        return Some(values.iter().map(Value::to_string).collect());
    }
    let one_of = schema["oneOf"].as_array()?;
    Some(one_of.iter().filter_map(|one| one.get("const")).map(Value::to_string).collect())
}
