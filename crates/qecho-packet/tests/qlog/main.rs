//! The qlog form of a trace, held against its schema, and its files.

mod files;
mod mutation;
mod qvis;
mod sample;
mod validity;
