//! The variables of a template: JSON to the engine's values, with the digits of every integer.
//!
//! serde_json makes a double of an integer beyond 64 bits, and its feature that does not (arbitrary_precision) breaks
//! how the tokenizers crate reads its files. So containers and numbers are read here, strings by serde_json.

use crate::ffi::{Failure, Result};
use minijinja::value::{DynObject, Object, ObjectRepr, Value};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// As in src/base/json.cpp, and one more for the object that holds the variables.
const MAX_DEPTH: usize = 65;

/// An integer beyond 128 bits, which the engine has no number for. It prints like one and compares like one.
#[derive(Debug)]
pub struct BigInteger {
    digits: String,
}

impl BigInteger {
    /// Less than zero, then more digits, then the digits: of integers without zeros in front.
    fn order(&self, other: &BigInteger) -> Ordering {
        let key = |n: &BigInteger| (n.digits.len(), n.digits.clone());
        match (self.is_negative(), other.is_negative()) {
            (false, false) => key(self).cmp(&key(other)),
            (true, true) => key(other).cmp(&key(self)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }

    fn is_negative(&self) -> bool {
        self.digits.starts_with('-')
    }
}

impl Object for BigInteger {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.order(other.downcast_ref::<BigInteger>()?))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digits)
    }
}

pub fn is_big_integer(value: &Value) -> bool {
    value.downcast_object_ref::<BigInteger>().is_some()
}

/// The variables that `json`, an object, spells.
pub fn variables(json: &str) -> Result<Value> {
    let mut reader = Reader { json, at: 0 };
    let value = reader.value(0)?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.fault("more than one value")),
    }
}

struct Reader<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn fault(&self, what: impl fmt::Display) -> Failure {
        Failure::invalid_input(format!("not valid JSON: {what} at byte {}", self.at + 1))
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.json.as_bytes()[self.at..];
        self.at += rest
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
            .count();
        self.json.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn want(&mut self, byte: u8) -> Result<()> {
        match self.take(byte) {
            true => Ok(()),
            false => Err(self.fault(format_args!("'{}' is wanted", byte as char))),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        if depth > MAX_DEPTH {
            return Err(self.fault("too deep"));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Value::from(self.string()?)),
            _ => self.scalar(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value> {
        self.want(b'{')?;
        let mut fields: Vec<(Value, Value)> = Vec::new();
        if !self.take(b'}') {
            loop {
                self.peek();
                let key = Value::from(self.string()?);
                self.want(b':')?;
                fields.push((key, self.value(depth + 1)?));
                if !self.take(b',') {
                    self.want(b'}')?;
                    break;
                }
            }
        }
        Ok(Value::from_pairs(fields))
    }

    fn array(&mut self, depth: usize) -> Result<Value> {
        self.want(b'[')?;
        let mut items: Vec<Value> = Vec::new();
        if !self.take(b']') {
            loop {
                items.push(self.value(depth + 1)?);
                if !self.take(b',') {
                    self.want(b']')?;
                    break;
                }
            }
        }
        Ok(Value::from(items))
    }

    /// At its opening quote.
    fn string(&mut self) -> Result<String> {
        let bytes = self.json.as_bytes();
        let mut end = self.at + 1;
        while bytes.get(end).is_some_and(|b| *b != b'"') {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let quoted = self.json.get(self.at..end + 1);
        let text = quoted.and_then(|quoted| serde_json::from_str(quoted).ok());
        let text = text.ok_or_else(|| self.fault("no string"))?;
        self.at = end + 1;
        Ok(text)
    }

    fn scalar(&mut self) -> Result<Value> {
        let rest = &self.json[self.at..];
        let size = rest
            .find(|c: char| matches!(c, ',' | ']' | '}' | ':' | '"') || c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let value = match &rest[..size] {
            "true" => Value::from(true),
            "false" => Value::from(false),
            "null" => Value::from(()),
            number => self.number(number)?,
        };
        self.at += size;
        Ok(value)
    }

    fn number(&self, text: &str) -> Result<Value> {
        if let Some(integer) = integer_of(text) {
            return Ok(integer);
        }
        serde_json::from_str::<f64>(text)
            .map(Value::from)
            .map_err(|_| self.fault("no value"))
    }
}

/// The value of a text that is an integer and nothing else.
pub fn integer_of(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| integer(text))
}

fn integer(text: &str) -> Value {
    if let Ok(small) = text.parse::<i64>() {
        return Value::from(small);
    }
    if let Ok(wide) = text.parse::<i128>() {
        return Value::from(wide);
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    let digits = text[sign.len()..].trim_start_matches('0');
    let digits = format!("{sign}{digits}");
    Value::from_object(BigInteger { digits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> std::result::Result<String, String> {
        variables(json)
            .map(|v| v.to_string())
            .map_err(|f| f.message)
    }

    #[test]
    fn json_becomes_values() {
        assert_eq!(
            shown(r#" { "b" : [ 1 , -2.5, true,null, "a\u00e9\"\\\ud83d\ude42" ], "a": {}, "e": [] } "#).unwrap(),
            "{'b': [1, -2.5, True, None, 'aé\"\\\\🙂'], 'a': {}, 'e': []}"
        );
        let value = variables(r#"{"z": 1, "a": 2, "z": 3}"#).unwrap();
        assert_eq!(value.to_string(), "{'z': 3, 'a': 2}");
    }

    #[test]
    fn integers_keep_their_digits() {
        for digits in [
            "0",
            "-1",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "1500000000000000000001",
            "-170141183460469231731687303715884105729",
            "340282366920938463463374607431768211456",
            "123456789012345678901234567890123456789012345678901234567890",
        ] {
            assert_eq!(shown(digits).unwrap(), digits);
            assert_eq!(variables(digits).unwrap(), variables(digits).unwrap());
        }
        assert!(is_big_integer(&variables(&"9".repeat(40)).unwrap()));
        let of = |digits: &str| variables(digits).unwrap();
        let [small, large] = ["1".repeat(45), "2".repeat(45)];
        assert!(of(&small) < of(&large) && of(&large) < of(&"1".repeat(46)));
        assert!(of(&format!("-{large}")) < of(&format!("-{small}")));
        assert!(of(&format!("-{large}")) < of(&small));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for json in [
            "",
            "{",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{1:2}",
            "\"",
            "\"\\",
            "\"\\q\"",
            "tru",
            "1 2",
            "-",
            "1.",
            "--1",
            "1e999x",
            "[1 2]",
            "nan",
            "\"\\ud800\"",
        ] {
            assert!(
                shown(json).unwrap_err().contains("not valid JSON"),
                "{json}"
            );
        }
        assert!(shown(&"[".repeat(100_000))
            .unwrap_err()
            .contains("too deep"));
    }
}
