//! tokenizer.json: text to ids, and the bytes behind every id.

use crate::ffi::{guard, text, Bytes, Failure, Ids, Result, Status};
use std::collections::HashMap;
use std::sync::Arc;
use tokenizers::pre_tokenizers::split::SplitPattern;
use tokenizers::{
    AddedToken, DecoderWrapper, Model, ModelWrapper, NormalizedString, Normalizer,
    OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, PreTokenizerWrapper,
    SplitDelimiterBehavior,
};

const MAX_TEXT: usize = 16 << 20;
/// Encoding keeps some 150 bytes a byte of text, so a text is read in windows where that changes nothing.
const WINDOW: usize = 64 << 10;
/// The pattern of GLM's pre-tokenizer (and of cl100k). A match depends on nothing before it, and on nothing behind the
/// match that follows it.
const KNOWN_PATTERN: &str =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|\
                             \u{20}?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
/// Bounds the table of pieces: the vocabulary of this family has 155 thousand ids.
const MAX_IDS: usize = 1 << 24;

pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    added: HashMap<u32, AddedToken>,
    size: usize,          // the largest id + 1
    splits_locally: bool, // a text may be read in windows
}

/// Whether the pre-tokenizer cuts by KNOWN_PATTERN and then only maps bytes.
fn splits_locally(inner: &tokenizers::Tokenizer) -> bool {
    let Some(PreTokenizerWrapper::Sequence(steps)) = inner.get_pre_tokenizer() else {
        return false;
    };
    let known = match steps.as_ref() {
        [PreTokenizerWrapper::Split(split), PreTokenizerWrapper::ByteLevel(bytes)] => {
            matches!(&split.pattern, SplitPattern::Regex(pattern) if pattern == KNOWN_PATTERN)
                && split.behavior == SplitDelimiterBehavior::Isolated
                && !split.invert
                && !bytes.add_prefix_space
                && !bytes.use_regex
        }
        _ => false,
    };
    known && inner.get_normalizer().is_none()
}

impl Tokenizer {
    fn new(json: &str) -> Result<Tokenizer> {
        let mut inner: tokenizers::Tokenizer = json
            .parse()
            .map_err(|e| Failure::bad_file(format!("not a tokenizer.json: {e}")))?;
        inner
            .with_truncation(None)
            .map_err(|e| Failure::bad_file(e.to_string()))?;
        inner.with_padding(None);
        let added: HashMap<u32, AddedToken> =
            inner.get_added_tokens_decoder().into_iter().collect();
        let size = inner
            .get_vocab(true)
            .values()
            .map(|id| *id as usize + 1)
            .max()
            .unwrap_or(0);
        let splits_locally = splits_locally(&inner);
        let tokenizer = Tokenizer {
            inner,
            added,
            size,
            splits_locally,
        };
        tokenizer.check_shape()?;
        tokenizer.check_added_tokens()?;
        Ok(tokenizer)
    }

    fn check_shape(&self) -> Result<()> {
        if !matches!(self.inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_))) {
            return Err(Failure::unsupported("the decoder must be ByteLevel"));
        }
        match self.inner.get_model() {
            ModelWrapper::BPE(bpe) if bpe.dropout.is_none_or(|p| p == 0.0) => {}
            ModelWrapper::BPE(_) => {
                return Err(Failure::unsupported(
                    "BPE dropout makes the ids of a text random",
                ))
            }
            _ => return Err(Failure::unsupported("the model must be BPE")),
        }
        if self.size > MAX_IDS {
            return Err(Failure::unsupported(format!(
                "id {} is too large, at most {} wanted",
                self.size - 1,
                MAX_IDS - 1
            )));
        }
        Ok(())
    }

    /// src/text finds added tokens in rendered prompts by plain comparison, which is what these flags say.
    fn check_added_tokens(&self) -> Result<()> {
        for token in self.added.values() {
            let refuse = |why: &str| {
                Err(Failure::unsupported(format!(
                    "added token '{}' {why}",
                    token.content
                )))
            };
            if token.lstrip || token.rstrip || token.single_word {
                return refuse("has lstrip, rstrip or single_word");
            }
            if token.normalized && self.inner.get_normalizer().is_some() {
                return refuse("is matched in normalized text");
            }
            if token.content.chars().count() < 2 {
                return refuse("is shorter than two characters");
            }
            if token.content.chars().any(crate::python::is_space) {
                return refuse("holds white space");
            }
            if piece_bytes(&token.content) != token.content.as_bytes() {
                return refuse("decodes to another text");
            }
        }
        Ok(())
    }

    /// One more owner of the tokenizer behind a handle.
    ///
    /// # Safety
    /// `handle` came from gt_tokenizer_new and was not freed.
    pub unsafe fn share(handle: *const Tokenizer) -> Arc<Tokenizer> {
        Arc::increment_strong_count(handle);
        Arc::from_raw(handle)
    }

    /// The largest id + 1.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The bytes behind an ordinary id. None for added tokens and holes.
    pub fn ordinary_bytes(&self, id: u32) -> Option<Vec<u8>> {
        if self.added.contains_key(&id) {
            return None;
        }
        self.inner.id_to_token(id).map(|token| piece_bytes(&token))
    }

    /// The text of an added token.
    pub fn added_text(&self, id: u32) -> Option<&str> {
        self.added.get(&id).map(|token| token.content.as_str())
    }

    pub fn encode(&self, text: &str, recognise_added: bool) -> Result<Vec<u32>> {
        if text.len() > MAX_TEXT {
            return Err(Failure::invalid_input(format!(
                "the text is {} bytes long, at most {MAX_TEXT} wanted",
                text.len()
            )));
        }
        if recognise_added {
            let encoding = self.inner.encode_fast(text, false);
            return Ok(encoding.map_err(cannot_tokenize)?.get_ids().to_vec());
        }
        let ids = self
            .encode_ordinary(text, WINDOW)
            .map_err(cannot_tokenize)?;
        // A vocabulary may hold the text of an added token too, so the promise is checked and not assumed.
        if ids.iter().any(|id| self.added.contains_key(id)) {
            return Err(Failure::unsupported(
                "the vocabulary turns ordinary text into an added token",
            ));
        }
        Ok(ids)
    }

    /// Window by window. The last piece of a window may go on behind it, so the next window begins with it.
    fn encode_ordinary(&self, text: &str, window: usize) -> tokenizers::Result<Vec<u32>> {
        let window = if self.splits_locally {
            window
        } else {
            text.len()
        };
        let mut ids = Vec::new();
        let mut at = 0;
        let mut size = window;
        while at < text.len() {
            let mut end = text.len().min(at.saturating_add(size));
            while !text.is_char_boundary(end) {
                end += 1;
            }
            let read = self.encode_window(&text[at..end], end == text.len(), &mut ids)?;
            size = if read == 0 { size * 2 } else { window };
            at += read;
        }
        Ok(ids)
    }

    /// The pipeline of tokenizers::TokenizerImpl without its first step, the search for added tokens. Appends the ids
    /// of all pieces, or of all but the last unless the text ends here, and says how many bytes these are.
    fn encode_window(
        &self,
        text: &str,
        is_end: bool,
        ids: &mut Vec<u32>,
    ) -> tokenizers::Result<usize> {
        let mut normalized = NormalizedString::from(text);
        if let Some(normalizer) = self.inner.get_normalizer() {
            normalizer.normalize(&mut normalized)?;
        }
        let mut pieces = PreTokenizedString::from(normalized);
        if let Some(pre_tokenizer) = self.inner.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut pieces)?;
        }
        self.inner
            .get_model()
            .tokenize_in_pretokenized(&mut pieces, None)?;
        if is_end {
            ids.extend_from_slice(pieces.into_encoding(None, 0, OffsetType::None)?.get_ids());
            return Ok(text.len());
        }
        let splits = pieces.get_splits(OffsetReferential::Original, OffsetType::Byte);
        let Some(((_, (begin, _), _), whole)) = splits.split_last() else {
            return Ok(0);
        };
        for (_, _, tokens) in whole {
            ids.extend(tokens.iter().flatten().map(|token| token.id));
        }
        Ok(*begin)
    }

    fn pieces(&self) -> Result<Pieces> {
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(self.size);
        let mut flags = Vec::with_capacity(self.size);
        for id in 0..self.size as u32 {
            let mut flag = 0;
            if let Some(token) = self.inner.id_to_token(id) {
                bytes.extend_from_slice(&piece_bytes(&token));
                flag |= PIECE_EXISTS;
            }
            if let Some(token) = self.added.get(&id) {
                flag |= PIECE_ADDED | if token.special { PIECE_SPECIAL } else { 0 };
            }
            let end = u32::try_from(bytes.len())
                .map_err(|_| Failure::unsupported("the vocabulary is over 4 GiB"))?;
            ends.push(end);
            flags.push(flag);
        }
        Ok(Pieces {
            bytes: bytes.into(),
            ends: ends.into(),
            flags: flags.into(),
        })
    }
}

fn cannot_tokenize(error: tokenizers::Error) -> Failure {
    Failure::invalid_input(format!("cannot tokenize: {error}"))
}

/// The byte behind a character of a byte-level vocabulary: printable Latin-1 stands for itself, the other 68 bytes are
/// shifted, in order, to U+0100 and up (GPT-2's table).
fn byte_of(c: char) -> Option<u8> {
    let itself = |b: u32| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let code = c as u32;
    match code {
        0..=0xff => itself(code).then_some(code as u8),
        0x100..=0x143 => (0..=0xffu32)
            .filter(|b| !itself(*b))
            .nth((code - 0x100) as usize)
            .map(|b| b as u8),
        _ => None,
    }
}

/// As the ByteLevel decoder reads a token: byte by byte if every character stands for a byte, else as it is.
fn piece_bytes(token: &str) -> Vec<u8> {
    token
        .chars()
        .map(byte_of)
        .collect::<Option<Vec<u8>>>()
        .unwrap_or_else(|| token.as_bytes().to_vec())
}

const PIECE_EXISTS: u8 = 1;
const PIECE_ADDED: u8 = 2;
const PIECE_SPECIAL: u8 = 4;

/// GtPieces of glimt_text.h.
#[repr(C)]
pub struct Pieces {
    bytes: Bytes,
    ends: Ids,
    flags: Bytes,
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_tokenizer_new(
    json: *const u8,
    size: usize,
    tokenizer: *mut *mut Tokenizer,
    error: *mut Bytes,
) -> Status {
    guard(tokenizer, error, || {
        // Counted, because grammars keep the tokenizer that they were made for.
        Ok(Arc::into_raw(Arc::new(Tokenizer::new(text(json, size)?)?)).cast_mut())
    })
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_tokenizer_free(tokenizer: *mut Tokenizer) {
    if !tokenizer.is_null() {
        drop(Arc::from_raw(tokenizer.cast_const()));
    }
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_tokenizer_encode(
    tokenizer: *const Tokenizer,
    data: *const u8,
    size: usize,
    recognise_added: i32,
    ids: *mut Ids,
    error: *mut Bytes,
) -> Status {
    guard(ids, error, || {
        Ok((*tokenizer)
            .encode(text(data, size)?, recognise_added != 0)?
            .into())
    })
}

/// # Safety
/// As glimt_text.h says.
#[no_mangle]
pub unsafe extern "C" fn gt_tokenizer_pieces(
    tokenizer: *const Tokenizer,
    pieces: *mut Pieces,
    error: *mut Bytes,
) -> Status {
    guard(pieces, error, || (*tokenizer).pieces())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Tokenizer {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/text/data/tokenizer.json"
        );
        Tokenizer::new(&std::fs::read_to_string(file).unwrap()).unwrap()
    }

    #[test]
    fn windows_change_nothing() {
        let tokenizer = shipped();
        assert!(tokenizer.splits_locally);
        let parts = [
            "word",
            "it's ",
            "WE'LL",
            "  ",
            " \n",
            "\r\n\r\n",
            "\t \t",
            "1234567",
            " 12",
            "été",
            " 日本語",
            "🙂🙂",
            "e\u{301}",
            "!?...\n",
            " --",
            "\u{a0}\u{2003}",
            "<|user|>",
            "'",
            "\0",
            "x_y=[1];\n    ",
            "   \n   z",
            "\u{85}",
        ];
        let mut state = 7u32;
        let mut text = String::new();
        for _ in 0..4000 {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            text.push_str(parts[(state >> 16) as usize % parts.len()]);
        }
        let whole = tokenizer.encode_ordinary(&text, usize::MAX / 2).unwrap();
        for window in [1, 2, 3, 7, 64, 1000, 20_000] {
            assert!(
                tokenizer.encode_ordinary(&text, window).unwrap() == whole,
                "{window}"
            );
        }
        let word = "a".repeat(500);
        let alone = tokenizer.encode_ordinary(&word, 1 << 20).unwrap();
        assert_eq!(tokenizer.encode_ordinary(&word, 8).unwrap(), alone);
    }

    #[test]
    fn every_byte_has_its_character() {
        let mut seen: Vec<u8> = (0..0x200u32)
            .filter_map(char::from_u32)
            .filter_map(byte_of)
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..=255).collect::<Vec<u8>>());
        assert_eq!(piece_bytes("Ġa"), b" a");
        assert_eq!(piece_bytes("Ċ"), b"\n");
        assert_eq!(piece_bytes("a b"), b"a b"); // a space stands for no byte
        assert_eq!(piece_bytes("<|user|>"), b"<|user|>");
    }
}
