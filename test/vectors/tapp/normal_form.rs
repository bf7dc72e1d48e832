//! What made `compose.json`: TAPP's normal form by the libraries that TAPP itself uses, serde_yaml 0.9.34 (unsafe-libyaml 0.2.11)
//! and serde_json, on 2026-11-27. Not built by the project. A JSON list of texts on standard input, a JSON list of normal forms on
//! standard output, null where a text is refused.
use serde_json::{Map, Value};
use std::io::Read;

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort();
            let entries = keys.into_iter().map(|key| (key.clone(), sorted(&members[key])));
            Value::Object(entries.collect::<Map<String, Value>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        _ => value.clone(),
    }
}

fn normal(text: &str) -> Option<String> {
    let yaml: serde_yaml::Value = serde_yaml::from_str(text).ok()?;
    let json = serde_json::to_string(&yaml).ok()?;
    let parsed: Value = serde_json::from_str(&json).ok()?;
    serde_json::to_string_pretty(&sorted(&parsed)).ok()
}

fn main() {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).expect("standard input");
    let texts: Vec<String> = serde_json::from_str(&input).expect("a list of texts");
    let forms: Vec<Option<String>> = texts.iter().map(|text| normal(text)).collect();
    println!("{}", serde_json::to_string(&forms).expect("texts"));
}
