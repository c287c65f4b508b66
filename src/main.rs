//! sessiongate
fn main() {}
