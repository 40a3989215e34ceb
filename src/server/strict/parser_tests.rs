//! The parser's tests: whatever bytes arrive, in whatever pieces, the requests are the same.
