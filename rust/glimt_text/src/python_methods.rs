//! Methods of Python's str that chat templates call and that minijinja-contrib lacks or does another way.

use crate::python::{charge, is_space};
use minijinja::value::{from_args, Value};
use minijinja::{Error, ErrorKind, State};

const MAX_FILL: usize = 4096;

/// Python's `text.strip()`; the `trim` filter of Jinja is the same.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

fn list<'a>(parts: impl IntoIterator<Item = &'a str>) -> Value {
    Value::from(parts.into_iter().map(Value::from).collect::<Vec<_>>())
}

fn partition(text: &str, args: &[Value], from_right: bool) -> Result<Value, Error> {
    let (separator,): (&str,) = from_args(args)?;
    if separator.is_empty() {
        return Err(Error::new(ErrorKind::InvalidOperation, "empty separator"));
    }
    let found = if from_right {
        text.rsplit_once(separator)
    } else {
        text.split_once(separator)
    };
    Ok(list(match (found, from_right) {
        (Some((before, after)), _) => [before, separator, after],
        (None, false) => [text, "", ""],
        (None, true) => ["", "", text],
    }))
}

fn rsplit(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (separator, most): (&str, Option<i64>) = from_args(args)?;
    if separator.is_empty() {
        return Err(Error::new(ErrorKind::InvalidOperation, "empty separator"));
    }
    let mut parts: Vec<&str> = match most {
        Some(most) if most >= 0 => text.rsplitn(most as usize + 1, separator).collect(),
        _ => text.rsplit(separator).collect(),
    };
    parts.reverse();
    Ok(list(parts))
}

fn zfill(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (width,): (usize,) = from_args(args)?;
    let missing = width.saturating_sub(text.chars().count()).min(MAX_FILL);
    let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
    Ok(Value::from(format!(
        "{sign}{}{digits}",
        "0".repeat(missing)
    )))
}

fn index(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (part,): (&str,) = from_args(args)?;
    match text.find(part) {
        Some(at) => Ok(Value::from(text[..at].chars().count())),
        None => Err(Error::new(
            ErrorKind::InvalidOperation,
            "substring not found",
        )),
    }
}

fn string_method(text: &str, name: &str, args: &[Value]) -> Option<Result<Value, Error>> {
    Some(match (name, args.len()) {
        ("strip", 0) => Ok(Value::from(strip(text))),
        ("lstrip", 0) => Ok(Value::from(text.trim_start_matches(is_space))),
        ("rstrip", 0) => Ok(Value::from(text.trim_end_matches(is_space))),
        ("split", 0) => Ok(list(text.split(is_space).filter(|part| !part.is_empty()))),
        ("removeprefix", _) => {
            from_args(args).map(|(p,): (&str,)| Value::from(text.strip_prefix(p).unwrap_or(text)))
        }
        ("removesuffix", _) => {
            from_args(args).map(|(p,): (&str,)| Value::from(text.strip_suffix(p).unwrap_or(text)))
        }
        ("partition", _) => partition(text, args, false),
        ("rpartition", _) => partition(text, args, true),
        ("rsplit", 1..) => rsplit(text, args),
        ("zfill", _) => zfill(text, args),
        ("index", _) => index(text, args),
        _ => return None,
    })
}

pub fn call(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        charge(state, text.len())?; // a method reads all of the text, so a loop of them must not be free
        if let Some(result) = string_method(text, name, args) {
            return result;
        }
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args)
}
