//! What every C entry point shares: a status, a message, buffers, and a guard that no panic gets past.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

/// GtStatus of glimt_text.h.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok = 0,
    InvalidInput = 1,
    BadFile = 2,
    Unsupported = 3,
    Internal = 4,
}

#[derive(Debug)]
pub struct Failure {
    pub status: Status,
    pub message: String,
}

impl Failure {
    pub fn invalid_input(message: impl Into<String>) -> Failure {
        Failure {
            status: Status::InvalidInput,
            message: message.into(),
        }
    }

    pub fn bad_file(message: impl Into<String>) -> Failure {
        Failure {
            status: Status::BadFile,
            message: message.into(),
        }
    }

    pub fn internal(message: impl Into<String>) -> Failure {
        Failure {
            status: Status::Internal,
            message: message.into(),
        }
    }

    pub fn unsupported(message: impl Into<String>) -> Failure {
        Failure {
            status: Status::Unsupported,
            message: message.into(),
        }
    }
}

pub type Result<T> = std::result::Result<T, Failure>;

/// GtBytes of glimt_text.h: a boxed slice that the caller owns.
#[repr(C)]
pub struct Bytes {
    data: *mut u8,
    size: usize,
}

/// GtIds of glimt_text.h.
#[repr(C)]
pub struct Ids {
    data: *mut u32,
    size: usize,
}

fn give_away<T>(items: Vec<T>) -> (*mut T, usize) {
    if items.is_empty() {
        return (std::ptr::null_mut(), 0);
    }
    let size = items.len();
    (Box::into_raw(items.into_boxed_slice()).cast::<T>(), size)
}

/// # Safety
/// `data` and `size` came from `give_away` and are not used again.
unsafe fn take_back<T>(data: *mut T, size: usize) {
    if !data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(
            data, size,
        )));
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(items: Vec<u8>) -> Bytes {
        let (data, size) = give_away(items);
        Bytes { data, size }
    }
}

impl From<Vec<u32>> for Ids {
    fn from(items: Vec<u32>) -> Ids {
        let (data, size) = give_away(items);
        Ids { data, size }
    }
}

/// # Safety
/// `bytes` came from this library and is not used again.
#[no_mangle]
pub unsafe extern "C" fn gt_bytes_free(bytes: Bytes) {
    take_back(bytes.data, bytes.size);
}

/// # Safety
/// `ids` came from this library and is not used again.
#[no_mangle]
pub unsafe extern "C" fn gt_ids_free(ids: Ids) {
    take_back(ids.data, ids.size);
}

/// The caller's text.
///
/// # Safety
/// `data` points to `size` readable bytes that stay unchanged for 'a, or `size` is 0.
pub unsafe fn text<'a>(data: *const u8, size: usize) -> Result<&'a str> {
    if size == 0 {
        return Ok("");
    }
    std::str::from_utf8(std::slice::from_raw_parts(data, size))
        .map_err(|e| Failure::invalid_input(format!("not valid UTF-8 at byte {}", e.valid_up_to())))
}

const MAX_MESSAGE: usize = 4096;

fn shortened(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let mut end = MAX_MESSAGE;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push('…');
    }
    message
}

thread_local! {
    static PANIC_PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A library does not print, so the place of a panic is kept for the message instead of going to stderr.
fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(|l| l.to_string()).unwrap_or_default();
            PANIC_PLACE.with(|p| *p.borrow_mut() = place);
        }));
    });
}

fn panic_failure(payload: Box<dyn Any + Send>) -> Failure {
    let what = payload
        .downcast_ref::<&str>()
        .map(|s| s.to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown panic".into());
    let place = PANIC_PLACE.with(|p| p.take());
    Failure::internal(format!("internal error at {place}: {what}"))
}

/// Runs `work` on a thread of its own whose stack is deep enough for anything that the bounds on sources and work let
/// through: the template engine recurses when it parses nested expressions and when it drops nested values. Only the
/// pages that are touched take memory.
pub fn on_deep_stack<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    const STACK: usize = 1 << 30;
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, || {
                catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|p| Err(panic_failure(p)))
            })
            .map_err(|e| Failure::internal(format!("cannot start a thread: {e}")))?
            .join()
            .unwrap_or_else(|p| Err(panic_failure(p)))
    })
}

/// Runs `work` and stores its result in `out`, or its error or panic in `error`.
///
/// # Safety
/// `out` and `error` are valid for one write.
pub unsafe fn guard<T>(out: *mut T, error: *mut Bytes, work: impl FnOnce() -> Result<T>) -> Status {
    silence_panics();
    let failure = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => {
            out.write(value);
            return Status::Ok;
        }
        Ok(Err(failure)) => failure,
        Err(payload) => panic_failure(payload),
    };
    error.write(shortened(failure.message).into_bytes().into());
    failure.status
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe fn message_of(error: Bytes) -> String {
        let message =
            String::from_utf8(std::slice::from_raw_parts(error.data, error.size).to_vec()).unwrap();
        gt_bytes_free(error);
        message
    }

    unsafe fn guarded(work: impl FnOnce() -> Result<u32>) -> (Status, u32, String) {
        let mut out = 7;
        let mut error = Bytes::from(vec![]);
        let status = guard(&mut out, &mut error, work);
        let message = if status == Status::Ok {
            String::new()
        } else {
            message_of(error)
        };
        (status, out, message)
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let (status, out, message) = unsafe { guarded(|| panic!("boom {}", 1)) };
        assert_eq!((status, out), (Status::Internal, 7));
        assert!(
            message.contains("boom 1") && message.contains("ffi.rs"),
            "{message}"
        );
    }

    #[test]
    fn a_panic_on_the_deep_stack_becomes_an_error() {
        let (status, _, message) = unsafe { guarded(|| on_deep_stack(|| panic!("boom {}", 2))) };
        assert_eq!(status, Status::Internal);
        assert!(
            message.contains("boom 2") && message.contains("ffi.rs"),
            "{message}"
        );
    }

    #[test]
    fn success_writes_the_result() {
        assert_eq!(unsafe { guarded(|| Ok(3)) }, (Status::Ok, 3, String::new()));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let (status, _, message) =
            unsafe { guarded(|| Err(Failure::bad_file("é".repeat(5000) + "x"))) };
        assert_eq!(status, Status::BadFile);
        assert!(message.len() <= MAX_MESSAGE + '…'.len_utf8() && message.ends_with('…'));
    }

    #[test]
    fn broken_utf8_is_named_by_offset() {
        let failure = unsafe { text(b"ab\xff".as_ptr(), 3) }.unwrap_err();
        assert_eq!(failure.message, "not valid UTF-8 at byte 2");
    }
}
