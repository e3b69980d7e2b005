//! How Python writes values: `json.dumps` as Hugging Face's `tojson` calls it, and `str()` as `{{ value }}` does.

use crate::context::is_big_integer;
use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use std::fmt::Write;

/// Values come from JSON of at most 64 levels; a template can nest deeper.
const MAX_DEPTH: usize = 100;
const MAX_INDENT: usize = 64;

/// str.isspace of Python for one character: Unicode's white space and the four ASCII separators.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// Text made here is paid for like text made by the engine: a unit of fuel for 64 bytes.
pub fn charge(state: &State, bytes: usize) -> Result<(), Error> {
    state.consume_fuel((bytes / 64) as u64)
}

fn float_repr(f: f64) -> String {
    if f.is_nan() {
        return "nan".into();
    }
    if f.is_infinite() {
        return if f > 0.0 { "inf" } else { "-inf" }.into();
    }
    let size = f.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        // CPython changes to an exponent of at least two digits here.
        let text = format!("{f:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let text = f.to_string();
    if text.contains('.') {
        text
    } else {
        text + ".0"
    }
}

fn float_json(f: f64) -> String {
    match float_repr(f).as_str() {
        "nan" => "NaN".into(),
        "inf" => "Infinity".into(),
        "-inf" => "-Infinity".into(),
        text => text.into(),
    }
}

fn number(value: &Value, float: impl Fn(f64) -> String) -> Result<String, Error> {
    if value.is_integer() {
        Ok(value.to_string())
    } else {
        Ok(float(f64::try_from(value.clone())?))
    }
}

/// Calls `item` for everything in `values`, with `separator` between.
fn separated(
    out: &mut String,
    values: impl Iterator<Item = Value>,
    separator: &str,
    mut item: impl FnMut(&mut String, Value) -> Result<(), Error>,
) -> Result<bool, Error> {
    let mut any = false;
    for value in values {
        if any {
            out.push_str(separator);
        }
        any = true;
        item(out, value)?;
    }
    Ok(any)
}

// ---- str() and repr() ----

/// str.isprintable of Python for one character. Rust's Debug form escapes the same categories; the letter in front
/// keeps it from escaping combining characters, which Python prints.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    let mut text = String::from("a");
    text.push(c);
    text.escape_debug().count() == 2
}

fn string_repr(out: &mut String, s: &str) {
    let quote = if s.contains('\'') && !s.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in s.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_printable(c) => out.push(c),
            c => {
                let _ = match c as u32 {
                    code @ 0..=0xff => write!(out, "\\x{code:02x}"),
                    code @ 0..=0xffff => write!(out, "\\u{code:04x}"),
                    code => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

fn repr(out: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(invalid("a value is nested too deep to be printed"));
    }
    match value.kind() {
        ValueKind::String => string_repr(out, value.as_str().unwrap_or_default()),
        ValueKind::Number => out.push_str(&number(value, float_repr)?),
        ValueKind::Seq | ValueKind::Iterable => {
            let (open, close) = match (value.is_tuple(), value.len()) {
                (true, Some(1)) => ("(", ",)"),
                (true, _) => ("(", ")"),
                _ => ("[", "]"),
            };
            out.push_str(open);
            separated(out, value.try_iter()?, ", ", |out, item| {
                repr(out, &item, depth + 1)
            })?;
            out.push_str(close);
        }
        ValueKind::Map => {
            out.push('{');
            separated(out, value.try_iter()?, ", ", |out, key| {
                repr(out, &key, depth + 1)?;
                out.push_str(": ");
                repr(out, &value.get_item(&key)?, depth + 1)
            })?;
            out.push('}');
        }
        _ => {
            let _ = write!(out, "{value}"); // None, True and False are the engine's own
        }
    }
    Ok(())
}

/// What `{{ value }}` prints, for the values of which the engine's own form differs from Python's.
pub fn to_str(state: &State, value: &Value) -> Result<Option<String>, Error> {
    let container = matches!(
        value.kind(),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable
    );
    let float = value.kind() == ValueKind::Number && !value.is_integer();
    if !container && !float {
        return Ok(None);
    }
    let mut out = String::new();
    repr(&mut out, value, 0)?;
    charge(state, out.len())?;
    Ok(Some(out))
}

// ---- tojson ----

fn json_string(out: &mut String, s: &str, ensure_ascii: bool) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || (ensure_ascii && (c as u32) > 0x7e) => {
                let mut units = [0u16; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

struct JsonStyle {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

impl JsonStyle {
    fn new_line(&self, out: &mut String, depth: usize) {
        if let Some(indent) = &self.indent {
            out.push('\n');
            for _ in 0..depth {
                out.push_str(indent);
            }
        }
    }

    fn key(&self, key: &Value) -> Result<String, Error> {
        Ok(match key.kind() {
            ValueKind::None => "null".into(),
            ValueKind::Bool => if key.is_true() { "true" } else { "false" }.into(),
            ValueKind::Number => number(key, float_json)?,
            _ => key.to_string(),
        })
    }

    fn write(&self, out: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(invalid("tojson: a value is nested too deep"));
        }
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => out.push_str(&number(value, float_json)?),
            ValueKind::String => {
                json_string(out, value.as_str().unwrap_or_default(), self.ensure_ascii)
            }
            ValueKind::Seq | ValueKind::Iterable => {
                out.push('[');
                let any = separated(out, value.try_iter()?, &self.item_separator, |out, item| {
                    self.new_line(out, depth + 1);
                    self.write(out, &item, depth + 1)
                })?;
                if any {
                    self.new_line(out, depth);
                }
                out.push(']');
            }
            ValueKind::Map => self.write_map(out, value, depth)?,
            _ if is_big_integer(value) => {
                let _ = write!(out, "{value}");
            }
            kind => {
                return Err(invalid(format!(
                    "tojson: an object of type {kind} is not JSON serializable"
                )))
            }
        }
        Ok(())
    }

    fn write_map(&self, out: &mut String, map: &Value, depth: usize) -> Result<(), Error> {
        let mut keys: Vec<Value> = map.try_iter()?.collect();
        if self.sort_keys {
            keys.sort_by_key(|key| key.to_string());
        }
        out.push('{');
        let any = separated(out, keys.into_iter(), &self.item_separator, |out, key| {
            self.new_line(out, depth + 1);
            json_string(out, &self.key(&key)?, self.ensure_ascii);
            out.push_str(&self.key_separator);
            self.write(out, &map.get_item(&key)?, depth + 1)
        })?;
        if any {
            self.new_line(out, depth);
        }
        out.push('}');
        Ok(())
    }
}

fn indent_of(value: Option<&Value>) -> Result<Option<String>, Error> {
    let Some(value) = value.filter(|v| !v.is_none() && !v.is_undefined()) else {
        return Ok(None);
    };
    let indent = match value.as_str() {
        Some(text) => text.to_string(),
        None => {
            let width = i64::try_from(value.clone())?.max(0) as usize;
            " ".repeat(width.min(MAX_INDENT + 1))
        }
    };
    if indent.len() > MAX_INDENT {
        return Err(invalid(format!(
            "tojson: indent is over {MAX_INDENT} characters"
        )));
    }
    Ok(Some(indent))
}

/// `tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False)` of transformers' chat templates.
/// Jinja's own filter of that name escapes < > & ' for HTML; this one must not.
pub fn tojson(
    state: &mut State,
    value: &Value,
    positional: Rest<Value>,
    keywords: Kwargs,
) -> Result<String, Error> {
    let argument = |position: usize, name: &str| -> Result<Option<Value>, Error> {
        let value = match positional.get(position) {
            Some(value) => Some(value.clone()),
            None => keywords.get::<Option<Value>>(name)?,
        };
        Ok(value.filter(|v| !v.is_none() && !v.is_undefined()))
    };
    let ensure_ascii = argument(0, "ensure_ascii")?.is_some_and(|v| v.is_true());
    let indent = indent_of(argument(1, "indent")?.as_ref())?;
    let separators = argument(2, "separators")?;
    let sort_keys = argument(3, "sort_keys")?.is_some_and(|v| v.is_true());
    keywords.assert_all_used()?;
    let (item_separator, key_separator) = match &separators {
        Some(pair) => (
            pair.get_item_by_index(0)?.to_string(),
            pair.get_item_by_index(1)?.to_string(),
        ),
        None if indent.is_some() => (",".into(), ": ".into()),
        None => (", ".into(), ": ".into()),
    };
    let style = JsonStyle {
        ensure_ascii,
        indent,
        item_separator,
        key_separator,
        sort_keys,
    };
    let mut out = String::new();
    style.write(&mut out, value, 0)?;
    charge(state, out.len())?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_cpython_does() {
        for (f, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float_repr(f), text);
        }
        assert_eq!(float_json(f64::INFINITY), "Infinity");
    }

    #[test]
    fn strings_are_quoted_as_cpython_does() {
        for (s, text) in [
            ("it's", "\"it's\""),
            ("a'b\"c", "'a\\'b\"c'"),
            ("\u{0}\u{7f}\u{a0}\u{200d}", "'\\x00\\x7f\\xa0\\u200d'"),
            ("e\u{301}日🙂", "'e\u{301}日🙂'"),
            ("\u{e0001}\u{fdd0}", "'\\U000e0001\\ufdd0'"),
        ] {
            let mut out = String::new();
            string_repr(&mut out, s);
            assert_eq!(out, text);
        }
    }
}
