//! Constrained output: which tokens may come next so that the text fits a JSON schema, a regex or a grammar.
//!
//! llguidance does the work: an Earley parser over lexemes that are regexes matched by derivatives, walked over the
//! trie of all tokens at once. This module gives it our tokenizer, bounds what a source may cost, and adds what it
//! leaves to its caller: end tokens that can be taken back, and tokens that are refused without an end of the whole
//! matcher.

use crate::ffi::{guard, on_deep_stack, text, Bytes, Failure, Ids, Result, Status};
use crate::tokenizer::Tokenizer;
use llguidance::api::{GrammarInit, TopLevelGrammar};
use llguidance::toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenizerEnv};
use llguidance::{Logger, ParserFactory};
use std::sync::Arc;

/// Schemas of hundreds of types are a few hundred KiB; regexes and grammars are written by hand.
const MAX_SCHEMA: usize = 1 << 20;
const MAX_REGEX: usize = 16 << 10;
const MAX_LARK: usize = 1536 << 10; // holds the schemas of tools

/// llguidance counts what building regexes costs; twice as much would let one with a text of 2^24 bytes through.
const MAX_LEXER_FUEL: u64 = 400_000;
/// A state of the lexer takes 1 to 2 KiB, and hostile regexes make new ones without end.
const MAX_LEXER_STATES: usize = 30_000;
/// Readings of the text at one place, in a grammar that a user wrote. The time of a step grows with their third power:
/// `s: s s | s s s | "a"` takes 170 ms a token at llguidance's 2,000 and 5 ms at 600. Schemas and tools may have more,
/// one for each optional property that may come next, and none of their readings multiply.
const MAX_READINGS: usize = 600;

/// llguidance writes a special token as this byte and its id. No UTF-8 text holds it.
const MARKER: u8 = TokTrie::SPECIAL_TOKEN_MARKER;

struct TokenTexts {
    tokenizer: Arc<Tokenizer>,
    trie: TokTrie,
}

impl TokenizerEnv for TokenTexts {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    /// Where the grammar leaves one way to go on, the tokens are those that the tokenizer would make of it.
    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<u32> {
        self.trie.tokenize_with_greedy_fallback(bytes, |text| {
            self.tokenizer
                .encode(text, false)
                .unwrap_or_else(|_| self.trie.greedy_tokenize(text.as_bytes()))
        })
    }
}

pub struct GrammarEnv {
    factory: ParserFactory,
    ends: Arc<[u32]>,
    width: usize,
}

impl GrammarEnv {
    fn new(tokenizer: Arc<Tokenizer>, width: usize, ends: &[u32]) -> Result<GrammarEnv> {
        let width = width.max(tokenizer.size());
        if width > 1 << 24 {
            return Err(Failure::invalid_input(format!(
                "a mask of {width} ids is too wide, at most {} wanted",
                1 << 24
            )));
        }
        if ends.is_empty() {
            return Err(Failure::invalid_input(
                "no end token given: no grammar could ever end",
            ));
        }
        if let Some(end) = ends.iter().find(|id| tokenizer.added_text(**id).is_none()) {
            return Err(Failure::invalid_input(format!(
                "end token {end} is not an added token of the tokenizer"
            )));
        }
        let words: Vec<Vec<u8>> = (0..width as u32).map(|id| word(&tokenizer, id)).collect();
        let trie =
            TokTrie::from(&TokRxInfo::new(width as u32, ends[0]), &words).with_eos_tokens(ends);
        let env: TokEnv = Arc::new(TokenTexts { tokenizer, trie });
        let mut factory = ParserFactory::new_simple(&env).map_err(|e| {
            Failure::unsupported(format!("no grammar can use this vocabulary: {e}"))
        })?;
        factory.quiet();
        let limits = factory.limits_mut();
        limits.initial_lexer_fuel = MAX_LEXER_FUEL;
        limits.max_lexer_states = MAX_LEXER_STATES;
        limits.verbose_errors = false;
        Ok(GrammarEnv {
            factory,
            ends: ends.into(),
            width,
        })
    }

    fn compile(&self, kind: i32, source: &str) -> Result<Matcher> {
        let limit = match kind {
            KIND_JSON_SCHEMA => MAX_SCHEMA,
            KIND_REGEX => MAX_REGEX,
            _ => MAX_LARK,
        };
        if source.len() > limit {
            return Err(Failure::invalid_input(format!(
                "{} bytes long, at most {limit} wanted",
                source.len()
            )));
        }
        let inner = on_deep_stack(|| {
            let grammar = match kind {
                KIND_JSON_SCHEMA => TopLevelGrammar::from_json_schema(
                    serde_json::from_str(source)
                        .map_err(|e| Failure::invalid_input(format!("not JSON: {e}")))?,
                ),
                KIND_REGEX => TopLevelGrammar::from_regex(source),
                KIND_LARK | KIND_TOOLS => TopLevelGrammar::from_lark(source.to_string()),
                _ => {
                    return Err(Failure::invalid_input(format!(
                        "no kind {kind} of grammars"
                    )))
                }
            };
            let mut limits = self.factory.limits().clone();
            if kind == KIND_LARK {
                limits.max_items_in_row = MAX_READINGS;
            }
            let matcher = llguidance::Matcher::new(self.factory.create_parser_from_init_ext(
                GrammarInit::Serialized(grammar),
                Logger::new(0, 0),
                InferenceCapabilities::default(),
                limits,
            ));
            if let Some(message) = matcher.get_error() {
                return Err(refused(&message));
            }
            // What no text fits, or what is too ambiguous to start, is found now and not in the middle of a batch.
            try_beginning(matcher.deep_clone(), &self.ends)?;
            Ok(matcher)
        })?;
        Ok(Matcher {
            inner,
            ends: self.ends.clone(),
            width: self.width,
            ended: false,
            next: Vec::new(),
        })
    }
}

/// The bytes that llguidance matches for an id. Added tokens are special whatever their flag says, so that <think> or
/// <tool_call> never pass for text; an id with an empty word is never allowed.
fn word(tokenizer: &Tokenizer, id: u32) -> Vec<u8> {
    if let Some(text) = tokenizer.added_text(id) {
        return [&[MARKER], text.as_bytes()].concat();
    }
    match tokenizer.ordinary_bytes(id) {
        Some(bytes) if !bytes.contains(&MARKER) => bytes,
        _ => Vec::new(),
    }
}

/// The first mask, the text that is forced, the mask after it, and back.
fn try_beginning(mut matcher: llguidance::Matcher, ends: &[u32]) -> Result<()> {
    let mut step = || -> anyhow::Result<()> {
        let first = matcher.compute_mask_or_eos()?;
        let forced = matcher.compute_ff_tokens();
        matcher.consume_tokens(&forced)?;
        if !forced.is_empty() {
            matcher.compute_mask_or_eos()?;
        }
        // Some kinds of rules cannot be taken back, but every matcher has to.
        if forced.is_empty() && !matcher.is_stopped() {
            match first.iter().find(|id| !ends.contains(id)) {
                Some(id) => matcher.consume_token(id)?,
                None => return Ok(()),
            }
        }
        matcher.rollback(1)
    };
    step().map_err(|e| refused(&e.to_string()))
}

fn refused(message: &str) -> Failure {
    // llguidance catches its own panics and puts the stack into the message.
    if let Some(panic) = message.strip_prefix("panic: ") {
        let what = panic.split("\n<backtrace>").next().unwrap_or_default();
        return Failure::internal(format!("internal error: {what}"));
    }
    let message = message.replace("\n<non-verbose/>", "");
    Failure::invalid_input(if message == "NoExtensionBias" {
        "no text can fit from here on".to_string()
    } else {
        message
    })
}

pub struct Matcher {
    inner: llguidance::Matcher,
    ends: Arc<[u32]>,
    width: usize,
    ended: bool, // an end token was the last one; llguidance does not see those
    /// The mask of this place if it was asked for: what it holds need not be tried before it is taken.
    next: Vec<u32>,
}

impl Matcher {
    fn copy(&self) -> Result<Matcher> {
        if let Some(message) = self.inner.get_error() {
            return Err(refused(&message));
        }
        Ok(Matcher {
            inner: self.inner.deep_clone(),
            ends: self.ends.clone(),
            width: self.width,
            ended: self.ended,
            next: self.next.clone(),
        })
    }

    fn is_accepting(&mut self) -> Result<bool> {
        self.inner
            .is_accepting()
            .map_err(|e| refused(&e.to_string()))
    }

    fn mask(&mut self, words: &mut [u32]) -> Result<()> {
        if words.len() < self.width.div_ceil(32) {
            return Err(Failure::invalid_input(format!(
                "a mask of {} words for {} ids",
                words.len(),
                self.width
            )));
        }
        words.fill(0);
        if self.ended {
            for end in self.ends.iter() {
                words[*end as usize / 32] |= 1 << (end % 32);
            }
            return Ok(());
        }
        let mask = self
            .inner
            .compute_mask_or_eos()
            .map_err(|e| refused(&e.to_string()))?;
        let count = mask.as_slice().len().min(words.len());
        words[..count].copy_from_slice(&mask.as_slice()[..count]);
        self.next.clear();
        self.next.extend_from_slice(&words[..count]);
        Ok(())
    }

    fn consume(&mut self, id: u32) -> Result<bool> {
        if id as usize >= self.width || self.ended {
            return Ok(false);
        }
        if self.ends.contains(&id) {
            self.ended = self.is_accepting()?;
            return Ok(self.ended);
        }
        let fail = |e: anyhow::Error| refused(&e.to_string());
        let word = self.next.get(id as usize / 32).copied().unwrap_or(0);
        let known = (word >> (id % 32)) & 1 != 0;
        if !known && self.inner.validate_tokens(&[id]).map_err(fail)? == 0 {
            return Ok(false);
        }
        self.next.clear();
        self.inner.consume_token(id).map_err(fail)?;
        Ok(true)
    }

    fn rollback(&mut self, mut count: usize) -> Result<()> {
        if count > 0 && self.ended {
            self.ended = false;
            count -= 1;
        }
        if count > 0 {
            self.next.clear();
        }
        self.inner
            .rollback(count)
            .map_err(|e| refused(&e.to_string()))
    }

    fn forced(&mut self) -> Vec<u32> {
        if self.ended || self.inner.is_stopped() {
            return Vec::new();
        }
        self.inner.compute_ff_tokens()
    }

    fn state(&mut self) -> Result<i32> {
        if self.ended {
            return Ok(STATE_ENDED);
        }
        if let Some(message) = self.inner.get_error() {
            return Err(refused(&message));
        }
        Ok(if self.inner.is_stopped() {
            STATE_COMPLETE
        } else if self.is_accepting()? {
            STATE_ACCEPTING
        } else {
            STATE_UNFINISHED
        })
    }
}

const KIND_JSON_SCHEMA: i32 = 0;
const KIND_REGEX: i32 = 1;
const KIND_LARK: i32 = 2;
const KIND_TOOLS: i32 = 3;

const STATE_UNFINISHED: i32 = 0;
const STATE_ACCEPTING: i32 = 1;
const STATE_COMPLETE: i32 = 2;
const STATE_ENDED: i32 = 3;

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_grammar_env_new(
    tokenizer: *const Tokenizer,
    width: usize,
    ends: *const u32,
    end_count: usize,
    env: *mut *mut GrammarEnv,
    error: *mut Bytes,
) -> Status {
    guard(env, error, || {
        let ends = if end_count == 0 {
            &[]
        } else {
            std::slice::from_raw_parts(ends, end_count)
        };
        let env = GrammarEnv::new(Tokenizer::share(tokenizer), width, ends)?;
        Ok(Box::into_raw(Box::new(env)))
    })
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_grammar_env_free(env: *mut GrammarEnv) {
    if !env.is_null() {
        drop(Box::from_raw(env));
    }
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_matcher_new(
    env: *const GrammarEnv,
    kind: i32,
    source: *const u8,
    size: usize,
    matcher: *mut *mut Matcher,
    error: *mut Bytes,
) -> Status {
    guard(matcher, error, || {
        let compiled = (*env).compile(kind, text(source, size)?)?;
        Ok(Box::into_raw(Box::new(compiled)))
    })
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_matcher_free(matcher: *mut Matcher) {
    if !matcher.is_null() {
        drop(Box::from_raw(matcher));
    }
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_matcher_clone(
    matcher: *const Matcher,
    copy: *mut *mut Matcher,
    error: *mut Bytes,
) -> Status {
    guard(copy, error, || {
        Ok(Box::into_raw(Box::new((*matcher).copy()?)))
    })
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_matcher_mask(
    matcher: *mut Matcher,
    words: *mut u32,
    count: usize,
    error: *mut Bytes,
) -> Status {
    let mut done = ();
    guard(&mut done, error, || {
        let words = if count == 0 {
            &mut []
        } else {
            std::slice::from_raw_parts_mut(words, count)
        };
        (*matcher).mask(words)
    })
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_matcher_consume(
    matcher: *mut Matcher,
    id: u32,
    accepted: *mut i32,
    error: *mut Bytes,
) -> Status {
    guard(accepted, error, || Ok((*matcher).consume(id)?.into()))
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_matcher_rollback(
    matcher: *mut Matcher,
    count: usize,
    error: *mut Bytes,
) -> Status {
    let mut done = ();
    guard(&mut done, error, || (*matcher).rollback(count))
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_matcher_forced(
    matcher: *mut Matcher,
    ids: *mut Ids,
    error: *mut Bytes,
) -> Status {
    guard(ids, error, || Ok((*matcher).forced().into()))
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_matcher_state(
    matcher: *mut Matcher,
    state: *mut i32,
    error: *mut Bytes,
) -> Status {
    guard(state, error, || (*matcher).state())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_may_move_between_threads() {
        fn shared<T: Send + Sync>() {}
        fn moved<T: Send>() {}
        shared::<GrammarEnv>();
        moved::<Matcher>();
        shared::<Matcher>(); // clones of one compiled grammar are made by several threads
    }
}
