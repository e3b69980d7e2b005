//! `a ~ b` joins what Python's str() makes of both sides. The engine joins what it prints itself, which differs for
//! floats, and has no hook there. So templates are read with the filter `string`, which is ours, around each side:
//! `{{ a ~ f * 2 ~ '!' }}` becomes `{{ (a)|string ~ (f * 2)|string ~ '!' }}`.

use minijinja::machinery::{tokenize, Span, Token};
use minijinja::syntax::SyntaxConfig;

/// Words that no operand of `~` goes across.
const WORDS: [&str; 10] = [
    "and",
    "or",
    "not",
    "in",
    "if",
    "else",
    "elif",
    "recursive",
    "ignore",
    "without",
];

/// What stands between two operators in one pair of brackets, as far as it has been read.
#[derive(Default)]
struct Operand {
    begin: Option<usize>,
    end: usize,
    tokens: usize,
    is_literal: bool,
    behind_tilde: bool,
}

#[derive(Default)]
struct Rewriter {
    insertions: Vec<(usize, &'static str)>,
    operands: Vec<Operand>, // one for each open bracket, and the expression itself
    last: Last,
}

/// What the token before this one says about it.
#[derive(Default, Clone, Copy, PartialEq)]
enum Last {
    #[default]
    Start, // of a block: the next word is its name
    Dot,
    Is,
    Multiplication, // behind it '-' is a sign
    Other,
}

impl Rewriter {
    /// Ends the operand that was read, and begins one that is or is not behind a tilde.
    fn boundary(&mut self, at_tilde: bool) {
        let Some(operand) = self.operands.last_mut() else {
            return;
        };
        let operand = std::mem::replace(
            operand,
            Operand {
                behind_tilde: at_tilde,
                ..Operand::default()
            },
        );
        let in_chain = at_tilde || operand.behind_tilde;
        let plain = operand.is_literal && operand.tokens == 1;
        if let (true, false, Some(begin)) = (in_chain, plain, operand.begin) {
            self.insertions.push((begin, "("));
            self.insertions.push((operand.end, ")|string"));
        }
    }

    fn extend(&mut self, span: Span, is_literal: bool) {
        if let Some(operand) = self.operands.last_mut() {
            operand.begin.get_or_insert(span.start_offset as usize);
            operand.end = span.end_offset as usize;
            operand.tokens += 1;
            operand.is_literal = is_literal;
        }
    }

    fn close_bracket(&mut self, span: Span) {
        self.boundary(false);
        if self.operands.len() > 1 {
            self.operands.pop();
        }
        self.extend(span, false);
    }

    fn word(&mut self, word: &str, span: Span) {
        let names_the_block = self.last == Last::Start;
        let is_operator = WORDS.contains(&word) && !matches!(self.last, Last::Dot | Last::Is);
        if names_the_block || is_operator {
            self.boundary(false);
        } else {
            self.extend(span, false);
        }
    }

    fn read(&mut self, token: &Token, span: Span) {
        match token {
            Token::BlockStart | Token::VariableStart => {
                self.operands = vec![Operand::default()];
            }
            Token::BlockEnd | Token::VariableEnd => {
                self.boundary(false);
                self.operands.clear();
            }
            Token::TemplateData(_) => {}
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                self.extend(span, false);
                self.operands.push(Operand::default());
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose => self.close_bracket(span),
            Token::Tilde => self.boundary(true),
            Token::Plus | Token::Minus if self.is_sign() => self.extend(span, false),
            Token::Plus | Token::Minus | Token::Comma | Token::Colon | Token::Assign => {
                self.boundary(false)
            }
            Token::Eq | Token::Ne | Token::Gt | Token::Gte | Token::Lt | Token::Lte => {
                self.boundary(false)
            }
            Token::Ident(word) => self.word(word, span),
            Token::Str(_) | Token::String(_) | Token::Int(_) => self.extend(span, true),
            _ => self.extend(span, false),
        }
        self.last = match token {
            Token::BlockStart => Last::Start,
            Token::Dot => Last::Dot,
            Token::Ident("is") => Last::Is,
            Token::Ident("not") if self.last == Last::Is => Last::Is,
            Token::Mul | Token::Div | Token::FloorDiv | Token::Mod | Token::Pow => {
                Last::Multiplication
            }
            _ => Last::Other,
        };
    }

    fn is_sign(&self) -> bool {
        self.last == Last::Multiplication || self.operands.last().is_some_and(|o| o.begin.is_none())
    }
}

/// The template with `|string` around what `~` joins. One that the engine cannot read stays as it is.
pub fn with_python_strings(source: &str, syntax: SyntaxConfig) -> String {
    let mut rewriter = Rewriter::default();
    if source.contains('~') {
        for token in tokenize(source, false, syntax) {
            match token {
                Ok((token, span)) => rewriter.read(&token, span),
                Err(_) => return source.to_string(),
            }
        }
    }
    rewriter.insertions.sort_by_key(|(at, _)| *at);
    let mut out = String::with_capacity(source.len() + 9 * rewriter.insertions.len());
    let mut done = 0;
    for (at, text) in rewriter.insertions {
        out.push_str(&source[done..at]);
        out.push_str(text);
        done = at;
    }
    out.push_str(&source[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(source: &str) -> String {
        with_python_strings(source, SyntaxConfig::default())
    }

    #[test]
    fn operands_are_what_binds_tighter() {
        for (source, wanted) in [
            ("{{ a ~ b }}", "{{ (a)|string ~ (b)|string }}"),
            ("{{ 'x' ~ a.b[1 ~ c]|d(2) ~ 3 }}", "{{ 'x' ~ (a.b[1 ~ (c)|string]|d(2))|string ~ 3 }}"),
            ("{{ 1 + a * -b ~ c - d }}", "{{ 1 + (a * -b)|string ~ (c)|string - d }}"),
            ("{{ -a ~ - b }}", "{{ (-a)|string ~ (- b)|string }}"),
            ("{{ not a ~ b == c }}", "{{ not (a)|string ~ (b)|string == c }}"),
            ("{{ a ~ b is not in c ~ d }}", "{{ (a)|string ~ (b is not in c)|string ~ (d)|string }}"),
            ("{{ a ~ b if x.if ~ y else z }}", "{{ (a)|string ~ (b)|string if (x.if)|string ~ (y)|string else z }}"),
            ("{% set x = a ~ b %}~{# a ~ b #}", "{% set x = (a)|string ~ (b)|string %}~{# a ~ b #}"),
            ("{% if a ~ b %}{% for x in a ~ b if c ~ d %}", "{% if (a)|string ~ (b)|string %}{% for x in (a)|string ~ (b)|string if (c)|string ~ (d)|string %}"),
            ("{{ f(a ~ b, k=c ~ d) ~ {'k': e ~ 'f'} }}", "{{ (f((a)|string ~ (b)|string, k=(c)|string ~ (d)|string))|string ~ ({'k': (e)|string ~ 'f'})|string }}"),
            ("{% raw %}{{ a ~ b }}{% endraw %}{{ '~' }}", "{% raw %}{{ a ~ b }}{% endraw %}{{ '~' }}"),
            ("é{{ 'é' ~ a }}", "é{{ 'é' ~ (a)|string }}"),
        ] {
            assert_eq!(rewritten(source), wanted);
        }
    }
}
