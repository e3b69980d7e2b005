//! The text layer of glimt: Hugging Face's tokenizer, chat templates and constrained output behind a small C interface.
//!
//! `include/glimt_text.h` is the contract; this crate is its only implementation. `ffi` holds what every entry point
//! shares (errors, buffers, panics), every other module is one idea and exports the entry points of that idea.

mod chat_template;
mod concat;
mod context;
mod ffi;
mod grammar;
mod python;
mod python_filters;
mod python_methods;
mod tokenizer;
