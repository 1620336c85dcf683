//! The codec of headers and frames, against bytes that were put together by
//! hand from RFC 9000, RFC 9001 and RFC 9221, and against any bytes at all.

mod acknowledgements;
mod arbitrary;
mod frames;
mod headers;
mod numbers;
mod sample;
mod writing;
