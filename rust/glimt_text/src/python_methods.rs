//! Methods of Python's str that chat templates call and that minijinja-contrib lacks or does another way.

use crate::python::{charge, is_space};
use minijinja::value::{from_args, Kwargs, Tuple, Value};
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
    let parts = match (found, from_right) {
        (Some((before, after)), _) => [before, separator, after],
        (None, false) => [text, "", ""],
        (None, true) => ["", "", text],
    };
    Ok(Value::from(Tuple::from(parts.map(Value::from))))
}

/// `split(sep=None, maxsplit=-1)` and rsplit.
fn split(text: &str, args: &[Value], from_right: bool) -> Result<Value, Error> {
    let (separator, most, keywords): (Option<Value>, Option<i64>, Kwargs) = from_args(args)?;
    let separator =
        separator.map_or_else(|| keywords.get::<Option<Value>>("sep"), |s| Ok(Some(s)))?;
    let most = most.map_or_else(|| keywords.get::<Option<i64>>("maxsplit"), |m| Ok(Some(m)))?;
    keywords.assert_all_used()?;
    let most = usize::try_from(most.unwrap_or(-1)).unwrap_or(usize::MAX - 1);
    let separator = separator.filter(|s| !s.is_none());
    let mut parts: Vec<&str> = match (&separator, from_right) {
        (None, _) => split_at_spaces(text, most, from_right),
        (Some(s), _) if s.as_str().is_none_or(str::is_empty) => {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "split: a separator that is no text, or empty",
            ));
        }
        (Some(s), true) => text
            .rsplitn(most + 1, s.as_str().unwrap_or_default())
            .collect(),
        (Some(s), false) => text
            .splitn(most + 1, s.as_str().unwrap_or_default())
            .collect(),
    };
    if from_right {
        parts.reverse();
    }
    Ok(list(parts))
}

/// At runs of white space, from the right in reverse order; what is left after `most` splits keeps its inner spaces.
fn split_at_spaces(text: &str, most: usize, from_right: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = strip(text);
    while parts.len() < most && !rest.is_empty() {
        let found = if from_right {
            rest.rfind(is_space)
        } else {
            rest.find(is_space)
        };
        let Some(at) = found else { break };
        let space = rest[at..].chars().next().map_or(0, char::len_utf8);
        let (before, after) = (&rest[..at], &rest[at + space..]);
        parts.push(if from_right { after } else { before });
        rest = strip(if from_right { before } else { after });
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

/// Lines with their ends, at all the characters that Python takes for the end of a line.
fn lines_with_ends(text: &str) -> Vec<&str> {
    let ends = |c: char| matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = match rest.find(ends) {
            Some(at) if rest[at..].starts_with("\r\n") => at + 2,
            Some(at) => at + rest[at..].chars().next().map_or(0, char::len_utf8),
            None => rest.len(),
        };
        lines.push(&rest[..end]);
        rest = &rest[end..];
    }
    lines
}

/// Python's `text.splitlines()`.
pub fn lines(text: &str) -> Vec<&str> {
    let ends = |c: char| matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let without_end = |line: &'_ str| -> usize {
        match line.strip_suffix("\r\n") {
            Some(body) => body.len(),
            None => line.strip_suffix(ends).unwrap_or(line).len(),
        }
    };
    lines_with_ends(text)
        .into_iter()
        .map(|line| &line[..without_end(line)])
        .collect()
}

fn splitlines(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (keep, keywords): (Option<bool>, Kwargs) = from_args(args)?;
    let keep = keep.map_or_else(|| keywords.get::<Option<bool>>("keepends"), |k| Ok(Some(k)))?;
    keywords.assert_all_used()?;
    Ok(list(if keep == Some(true) {
        lines_with_ends(text)
    } else {
        lines(text)
    }))
}

/// A letter that has a case starts a word unless one stands before it.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        let title_case = matches!(c, 'ǅ' | 'ǈ' | 'ǋ' | 'ǲ');
        let cased = c.is_lowercase() || c.is_uppercase() || title_case;
        match (cased, inside) {
            (true, true) => out.extend(c.to_lowercase()),
            (true, false) if title_case => out.push(c),
            (true, false) => {
                let mut upper = c.to_uppercase();
                out.extend(upper.next());
                out.extend(upper.flat_map(char::to_lowercase));
            }
            (false, _) => out.push(c),
        }
        inside = cased;
    }
    out
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
        ("split", _) => split(text, args, false),
        ("rsplit", _) => split(text, args, true),
        ("splitlines", _) => splitlines(text, args),
        ("title", 0) => Ok(Value::from(title(text))),
        ("removeprefix", _) => {
            from_args(args).map(|(p,): (&str,)| Value::from(text.strip_prefix(p).unwrap_or(text)))
        }
        ("removesuffix", _) => {
            from_args(args).map(|(p,): (&str,)| Value::from(text.strip_suffix(p).unwrap_or(text)))
        }
        ("partition", _) => partition(text, args, false),
        ("rpartition", _) => partition(text, args, true),
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
