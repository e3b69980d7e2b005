//! Filters and tests of Jinja that the engine lacks or does another way.

use crate::python::{charge, to_str};
use crate::{context, python_methods};
use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{filters, Environment, Error, State};

type Result<T> = std::result::Result<T, Error>;

pub fn add_to(environment: &mut Environment) {
    environment.add_filter("indent", indent);
    environment.add_filter("escape", escape);
    environment.add_filter("e", escape);
    environment.add_filter("forceescape", force_escape);
    environment.add_filter("join", join);
    environment.add_filter("int", int);
    environment.add_filter("dictsort", dictsort);
    environment.add_filter("center", center);
    environment.add_filter("wordcount", word_count);
    environment.add_test("sequence", is_sequence);
    // What these two do differs too much: a template that uses them is refused.
    environment.remove_filter("pprint");
    environment.remove_filter("attr");
}

/// The argument at `position`, or the one with this name. None and undefined count as absent.
fn argument(
    positional: &[Value],
    keywords: &Kwargs,
    position: usize,
    name: &str,
) -> Result<Option<Value>> {
    let value = match positional.get(position) {
        Some(value) => Some(value.clone()),
        None => keywords.get::<Option<Value>>(name)?,
    };
    Ok(value.filter(|v| !v.is_none() && !v.is_undefined()))
}

fn is_true(value: Option<Value>) -> bool {
    value.is_some_and(|v| v.is_true())
}

/// What Python's str() makes of a value.
fn text_of(state: &mut State, value: &Value) -> Result<String> {
    Ok(to_str(state, value)?.unwrap_or_else(|| value.to_string()))
}

/// `indent(width=4, first=False, blank=False)`: width may be the text to indent with. The last line is one, too, even
/// if it is empty.
fn indent(
    state: &mut State,
    value: &Value,
    positional: Rest<Value>,
    keywords: Kwargs,
) -> Result<String> {
    let width = argument(&positional, &keywords, 0, "width")?.unwrap_or(Value::from(4));
    let first = is_true(argument(&positional, &keywords, 1, "first")?);
    let blank = is_true(argument(&positional, &keywords, 2, "blank")?);
    keywords.assert_all_used()?;
    let text = text_of(state, value)? + "\n";
    let lines = python_methods::lines(&text);
    let width_bytes = match width.as_str() {
        Some(text) => text.len(),
        None => usize::try_from(i64::try_from(width.clone())?.max(0)).unwrap_or(usize::MAX),
    };
    charge(state, width_bytes.saturating_mul(lines.len() + 1))?;
    let indention = width
        .as_str()
        .map_or_else(|| " ".repeat(width_bytes), String::from);
    let mut out = String::with_capacity(text.len() + width_bytes * lines.len());
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if if i == 0 {
            first
        } else {
            blank || !line.is_empty()
        } {
            out.push_str(&indention);
        }
        out.push_str(line);
    }
    Ok(out)
}

/// As MarkupSafe writes text into HTML.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    out
}

fn escape(state: &mut State, value: &Value) -> Result<Value> {
    match value.is_safe() {
        true => Ok(value.clone()),
        false => force_escape(state, value),
    }
}

fn force_escape(state: &mut State, value: &Value) -> Result<Value> {
    let text = html(&text_of(state, value)?);
    charge(state, text.len())?;
    Ok(Value::from_safe_string(text))
}

/// `join(d='', attribute=None)` of what str() makes of the items.
fn join(
    state: &mut State,
    value: &Value,
    positional: Rest<Value>,
    keywords: Kwargs,
) -> Result<String> {
    let joiner = argument(&positional, &keywords, 0, "d")?.unwrap_or(Value::from(""));
    let joiner = text_of(state, &joiner)?;
    let attribute = argument(&positional, &keywords, 1, "attribute")?;
    keywords.assert_all_used()?;
    let items = match attribute {
        Some(name) => {
            let named = Value::from(Kwargs::from_iter([("attribute", name)]));
            state.apply_filter("map", &[value.clone(), named])?
        }
        None => value.clone(),
    };
    let mut out = String::new();
    for (i, item) in items.try_iter()?.enumerate() {
        let text = text_of(state, &item)?;
        charge(state, 64 + joiner.len() + text.len())?;
        if i > 0 {
            out.push_str(&joiner);
        }
        out.push_str(&text);
    }
    Ok(out)
}

/// `int(default=0, base=10)`: what is no number is the default.
fn int(
    state: &mut State,
    value: &Value,
    positional: Rest<Value>,
    keywords: Kwargs,
) -> Result<Value> {
    let default = argument(&positional, &keywords, 0, "default")?.unwrap_or(Value::from(0));
    let base = argument(&positional, &keywords, 1, "base")?;
    keywords.assert_all_used()?;
    if context::is_big_integer(value) {
        return Ok(value.clone());
    }
    let trimmed = value.as_str().map(python_methods::strip);
    if let (Some(text), None) = (trimmed, &base) {
        if let Some(number) = context::integer_of(text) {
            return Ok(number);
        }
    }
    let base = base.map(u32::try_from).transpose()?;
    let none = Kwargs::from_iter(std::iter::empty::<(&str, Value)>());
    let value = trimmed.map_or_else(|| value.clone(), Value::from);
    filters::int(state, &value, Some(default), base, none)
}

/// `dictsort(case_sensitive=False, by='key', reverse=False)`
fn dictsort(value: &Value, positional: Rest<Value>, keywords: Kwargs) -> Result<Value> {
    let names = ["case_sensitive", "by", "reverse"];
    let mut given: Vec<(&str, Value)> = Vec::new();
    for (position, name) in names.into_iter().enumerate() {
        if let Some(value) = argument(&positional, &keywords, position, name)? {
            given.push((name, value));
        }
    }
    keywords.assert_all_used()?;
    filters::dictsort(value, given.into_iter().collect())
}

/// `center(width=80)`, with the odd space where Python puts it.
fn center(state: &mut State, value: &Value, width: Option<usize>) -> Result<String> {
    let text = text_of(state, value)?;
    let missing = width.unwrap_or(80).saturating_sub(text.chars().count());
    charge(state, missing)?;
    let left = missing / 2 + (missing & width.unwrap_or(80) & 1);
    Ok(format!(
        "{}{text}{}",
        " ".repeat(left),
        " ".repeat(missing - left)
    ))
}

/// Runs of letters, digits and underscores.
fn word_count(state: &mut State, value: &Value) -> Result<usize> {
    let text = text_of(state, value)?;
    charge(state, text.len())?;
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    Ok(text
        .split(|c| !inside(c))
        .filter(|word| !word.is_empty())
        .count())
}

/// To Jinja, a sequence has a length and is subscripted: text and mappings, too.
fn is_sequence(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Undefined
    )
}
