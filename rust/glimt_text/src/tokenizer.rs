//! tokenizer.json: text to ids, and the bytes behind every id.

use crate::ffi::{guard, text, Bytes, Failure, Ids, Result, Status};
use std::collections::HashMap;
use std::sync::Arc;
use tokenizers::{
    AddedToken, DecoderWrapper, Model, ModelWrapper, NormalizedString, Normalizer, OffsetType,
    PreTokenizedString, PreTokenizer,
};

/// Encoding keeps about 50 bytes a byte of text; this bounds a request to less than a gigabyte.
const MAX_TEXT: usize = 16 << 20;
/// Bounds the table of pieces: the vocabulary of this family has 155 thousand ids.
const MAX_IDS: usize = 1 << 24;

pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    added: HashMap<u32, AddedToken>,
    size: usize, // the largest id + 1
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
        let tokenizer = Tokenizer { inner, added, size };
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
        let encoding = if recognise_added {
            self.inner.encode_fast(text, false)
        } else {
            self.encode_ordinary(text)
        };
        let ids = match encoding {
            Ok(encoding) => encoding.get_ids().to_vec(),
            Err(e) => return Err(Failure::invalid_input(format!("cannot tokenize: {e}"))),
        };
        // A vocabulary may hold the text of an added token too, so the promise is checked and not assumed.
        if !recognise_added && ids.iter().any(|id| self.added.contains_key(id)) {
            return Err(Failure::unsupported(
                "the vocabulary turns ordinary text into an added token",
            ));
        }
        Ok(ids)
    }

    /// The pipeline of tokenizers::TokenizerImpl without its first step, the search for added tokens.
    fn encode_ordinary(&self, text: &str) -> tokenizers::Result<tokenizers::Encoding> {
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
        pieces.into_encoding(None, 0, OffsetType::None)
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
