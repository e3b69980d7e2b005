//! Chat templates in the Jinja environment of transformers' apply_chat_template.

use crate::ffi::{guard, on_deep_stack, text, Bytes, Failure, Result, Status};
use crate::{concat, context, python, python_filters, python_methods};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

const MAX_SOURCE: usize = 256 << 10;
const MAX_CONTEXT: usize = 64 << 20;
const MAX_OUTPUT: usize = 64 << 20;
/// An instruction costs about one unit and so do 64 bytes of text: a message takes some sixty, and a template that
/// loops for ever ends after a fraction of a second. With MAX_SOURCE it also bounds how deep values and expressions can
/// nest, and so the stack that on_deep_stack has to give.
const FUEL: u64 = 4_000_000;
const NAME: &str = "chat template";

pub struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    fn new(source: &str) -> Result<ChatTemplate> {
        if source.len() > MAX_SOURCE {
            return Err(Failure::bad_file(format!(
                "the template is {} bytes long, at most {MAX_SOURCE} wanted",
                source.len()
            )));
        }
        let mut environment = environment().map_err(|e| {
            Failure::bad_file(format!("the template engine refused its options: {e}"))
        })?;
        let source = without_generation_tags(source);
        let source = syntax().map(|syntax| concat::with_python_strings(&source, syntax));
        environment
            .add_template_owned(NAME, source.map_err(|e| Failure::bad_file(describe(&e)))?)
            .map_err(|e| Failure::bad_file(describe(&e)))?;
        Ok(ChatTemplate { environment })
    }

    fn render(&self, context_json: &str) -> Result<String> {
        if context_json.len() > MAX_CONTEXT {
            return Err(Failure::invalid_input(format!(
                "the conversation is {} bytes long, at most {MAX_CONTEXT} wanted",
                context_json.len()
            )));
        }
        let variables = context::variables(context_json)?;
        let text = self
            .environment
            .get_template(NAME)
            .and_then(|template| template.render(variables))
            .map_err(|e| Failure::invalid_input(describe(&e)))?;
        if text.len() > MAX_OUTPUT {
            return Err(Failure::invalid_input(format!(
                "the prompt is {} bytes long, at most {MAX_OUTPUT} wanted",
                text.len()
            )));
        }
        Ok(text)
    }
}

fn syntax() -> std::result::Result<SyntaxConfig, Error> {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(false)
        .build()
}

fn environment() -> std::result::Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(syntax()?);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_unknown_method_callback(python_methods::call);
    environment.set_formatter(format_value);
    environment.add_filter("tojson", python::tojson);
    environment.add_filter("trim", trim);
    environment.add_filter("string", string);
    python_filters::add_to(&mut environment);
    environment.add_test("iterable", is_iterable);
    environment.add_test("number", is_number);
    environment.add_test("integer", is_integer);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    Ok(environment)
}

fn format_value(
    out: &mut Output,
    state: &mut State,
    value: &Value,
) -> std::result::Result<(), Error> {
    let escapes = !matches!(state.auto_escape(), AutoEscape::None) && !value.is_safe();
    match python::to_str(state, value)? {
        Some(text) if escapes => out.write_str(&python_filters::html(&text)),
        Some(text) => out.write_str(&text),
        None if escapes => out.write_str(&python_filters::html(&value.to_string())),
        None => return minijinja::escape_formatter(out, state, value),
    }
    .map_err(Error::from)
}

fn string(state: &mut State, value: &Value) -> std::result::Result<Value, Error> {
    if value.as_str().is_some() {
        return Ok(value.clone());
    }
    let text = python::to_str(state, value)?.unwrap_or_else(|| value.to_string());
    Ok(Value::from(text))
}

/// `trim(value, chars=None)` is Python's strip, which takes more characters for white space than Rust's trim.
fn trim(text: &str, chars: Option<&str>) -> String {
    match chars {
        None => python_methods::strip(text),
        Some(chars) => text.trim_matches(|c| chars.contains(c)),
    }
    .into()
}

/// The engine counts none as iterable, Jinja does not, and templates branch on it to tell text from a list of parts.
fn is_iterable(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::Seq
            | ValueKind::Map
            | ValueKind::Iterable
            | ValueKind::String
            | ValueKind::Undefined
    )
}

fn is_number(value: &Value) -> bool {
    // To Python, true and false are numbers.
    matches!(value.kind(), ValueKind::Number | ValueKind::Bool) || context::is_big_integer(value)
}

fn is_integer(value: &Value) -> bool {
    value.is_integer() || context::is_big_integer(value)
}

fn raise_exception(message: &str) -> std::result::Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message.to_string()).with_source(Raised))
}

/// Marks an error as the template's own refusal, of which the message stands for itself.
#[derive(Debug)]
struct Raised;
impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("raise_exception")
    }
}
impl std::error::Error for Raised {}

fn strftime_now(format: &str) -> std::result::Result<String, Error> {
    let invalid = |what: &'static str| Error::new(ErrorKind::InvalidOperation, what);
    let format = std::ffi::CString::new(format)
        .map_err(|_| invalid("strftime_now: the format holds a zero byte"))?;
    let mut buffer = [0u8; 256];
    // SAFETY: all pointers are to locals that live through the calls; strftime writes at most buffer.len() bytes.
    let written = unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut local: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&now, &mut local).is_null() {
            return Err(invalid("strftime_now: there is no local time"));
        }
        libc::strftime(
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            format.as_ptr(),
            &local,
        )
    };
    Ok(String::from_utf8_lossy(&buffer[..written]).into_owned())
}

/// {% generation %} marks the assistant's part for training and prints nothing: as transformers' own extension does,
/// its body is rendered as if the tags were not there.
fn without_generation_tags(source: &str) -> String {
    let mut out = source.to_string();
    for (open, close) in [("{%-", "-%}"), ("{%-", "%}"), ("{%", "-%}"), ("{%", "%}")] {
        for (tag, stand_in) in [("generation", "if true"), ("endgeneration", "endif")] {
            out = out.replace(
                &format!("{open} {tag} {close}"),
                &format!("{open} {stand_in} {close}"),
            );
        }
    }
    out
}

fn describe(error: &Error) -> String {
    let detail = error
        .detail()
        .map_or_else(|| error.kind().to_string(), |d| d.to_string());
    let raised = std::error::Error::source(error).is_some_and(|s| s.is::<Raised>());
    match (raised, error.kind(), error.line()) {
        (true, ..) => detail,
        (_, ErrorKind::OutOfFuel, _) => "the template does too much work".into(),
        (_, kind, Some(line)) if error.detail().is_some() => {
            format!("line {line}: {kind}: {detail}")
        }
        (_, kind, Some(line)) => format!("line {line}: {kind}"),
        (_, _, None) => detail,
    }
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_chat_template_new(
    source: *const u8,
    size: usize,
    chat_template: *mut *mut ChatTemplate,
    error: *mut Bytes,
) -> Status {
    guard(chat_template, error, || {
        let source = text(source, size)?;
        let compiled = on_deep_stack(|| ChatTemplate::new(source))?;
        Ok(Box::into_raw(Box::new(compiled)))
    })
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_chat_template_free(chat_template: *mut ChatTemplate) {
    if !chat_template.is_null() {
        drop(Box::from_raw(chat_template));
    }
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_chat_template_render(
    chat_template: *const ChatTemplate,
    context_json: *const u8,
    size: usize,
    rendered: *mut Bytes,
    error: *mut Bytes,
) -> Status {
    guard(rendered, error, || {
        let context_json = text(context_json, size)?;
        let chat_template = &*chat_template;
        let text = on_deep_stack(|| chat_template.render(context_json))?;
        Ok(text.into_bytes().into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str, context: &str) -> std::result::Result<String, String> {
        on_deep_stack(|| ChatTemplate::new(source).and_then(|t| t.render(context)))
            .map_err(|f| f.message)
    }

    #[test]
    fn values_print_as_in_python() {
        let context =
            r#"{"m": {"a": [1, 2.0, null, true, "it's"], "b": {}}, "f": 1e16, "n": null}"#;
        assert_eq!(
            render("{{ m }}|{{ f }}|{{ n }}|{{ m.a|string }}", context).unwrap(),
            r#"{'a': [1, 2.0, None, True, "it's"], 'b': {}}|1e+16|None|[1, 2.0, None, True, "it's"]"#
        );
    }

    #[test]
    fn tojson_takes_its_options() {
        let context = r#"{"m": {"b": "<é\u0001>", "a": [1, 1.0]}}"#;
        assert_eq!(
            render("{{ m|tojson }}", context).unwrap(),
            "{\"b\": \"<é\\u0001>\", \"a\": [1, 1.0]}"
        );
        assert_eq!(
            render(
                "{{ m|tojson(ensure_ascii=True, sort_keys=true, separators=(',', ':')) }}",
                context
            )
            .unwrap(),
            "{\"a\":[1,1.0],\"b\":\"<\\u00e9\\u0001>\"}"
        );
        assert_eq!(
            render("{{ m.a|tojson(indent=2) }}", context).unwrap(),
            "[\n  1,\n  1.0\n]"
        );
        assert!(render("{{ m|tojson(bad=1) }}", context).is_err());
        assert!(render("{{ m|tojson(indent=99999999) }}", context)
            .unwrap_err()
            .contains("indent"));
    }

    #[test]
    fn methods_of_python_strings() {
        let source = "{{ s.strip() }}|{{ s.split() }}|{{ 'a-b-c'.rpartition('-') }}|{{ 'a-b-c'.rsplit('-', 1) }}|\
                      {{ '-7'.zfill(4) }}|{{ 'xay'.removeprefix('x').removesuffix('y') }}|{{ 'abc'.index('c') }}";
        assert_eq!(
            render(source, r#"{"s": "\u001f a\u00a0b \u2003"}"#).unwrap(),
            "a\u{a0}b|['a', 'b']|('a-b', '-', 'c')|['a-b', 'c']|-007|a|2"
        );
        assert!(render("{{ 'abc'.index('d') }}", "{}")
            .unwrap_err()
            .contains("substring not found"));
    }

    #[test]
    fn generation_tags_leave_their_body() {
        assert_eq!(
            render("a{% generation %}b{%- endgeneration -%} c", "{}").unwrap(),
            "abc"
        );
    }

    #[test]
    fn a_raised_exception_is_the_message() {
        assert_eq!(
            render(
                "\n{{ raise_exception('no ' ~ who) }}",
                r#"{"who": "tools"}"#
            )
            .unwrap_err(),
            "no tools"
        );
    }

    #[test]
    fn errors_name_the_line() {
        let message = render("a\n{% if %}", "{}").unwrap_err();
        assert!(message.starts_with("line 2: syntax error"), "{message}");
        let message = render("a\n\n{{ x.y.z }}", "{}").unwrap_err();
        assert!(message.starts_with("line 3: "), "{message}");
        let message = render("{{ f() }}", "{}").unwrap_err();
        assert!(message.contains("unknown function"), "{message}");
    }

    #[test]
    fn hostile_templates_end_with_an_error() {
        for source in [
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "{% for i in range(99999) %}{% set x = s.strip() %}{% for j in range(999) %}{{ s.strip() }}{% endfor %}{% endfor %}",
            "{% set ns = namespace(a=[]) %}{% for j in range(999) %}{% for i in range(9999) %}{% set ns.a = [ns.a] %}{% endfor %}{% endfor %}",
            "{% set ns = namespace(a=[]) %}{% for i in range(9999) %}{% set ns.a = [ns.a] %}{% endfor %}{{ ns.a }}",
            "{% set ns = namespace(a=[]) %}{% for i in range(9999) %}{% set ns.a = {'k': ns.a} %}{% endfor %}{{ ns.a|tojson }}",
            "{% for i in range(99999) %}{% for j in range(999) %}{% set x = s|tojson %}{% endfor %}{% endfor %}",
        ] {
            let context = format!(r#"{{"s": "{}"}}"#, "y".repeat(100_000));
            assert!(render(source, &context).is_err(), "{source}");
        }
        assert!(render(&"x".repeat(MAX_SOURCE + 1), "{}").is_err());
    }

    #[test]
    fn deep_nesting_ends() {
        for nested in ["(", "[", "{1:", "a[", "f(", "a.b("] {
            let source = format!("{{{{ {}1 }}}}", nested.repeat(250_000 / nested.len()));
            assert!(render(&source, "{}").is_err(), "{nested}");
        }
        for (prefix, printed) in [("-", "1"), ("not ", "True")] {
            let source = format!("{{{{ {}1 }}}}", prefix.repeat(60_000));
            assert_eq!(render(&source, "{}").unwrap(), printed);
        }
        for nested in [
            "{% if a %}",
            "{% for a in b %}",
            "{% set a %}",
            "{% macro m() %}",
            "{%if a%}{%elif a%}",
        ] {
            let source = nested.repeat(250_000 / nested.len());
            assert!(render(&source, "{}").is_err(), "{nested}");
        }
        // The deepest value that the fuel pays for.
        let deep =
            "{% set ns = namespace(a=[]) %}{% for j in range(40) %}{% for i in range(9999) %}\
                    {% set ns.a = [ns.a] %}{% endfor %}{% endfor %}";
        let error = render(&format!("{deep}{{{{ ns.a ~ '' }}}}"), "{}").unwrap_err();
        assert!(error.contains("nested too deep"), "{error}");
        assert_eq!(render(&format!("{deep}x"), "{}").unwrap(), "x"); // and is freed
        assert!(render("{{ a }}", &format!(r#"{{"a": {}}}"#, "[".repeat(100_000))).is_err());
    }

    #[test]
    fn the_clock_is_there() {
        let year = render("{{ strftime_now('%Y') }}", "{}").unwrap();
        assert!(year.parse::<i32>().unwrap() > 2024, "{year}");
    }
}
