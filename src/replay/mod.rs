//! What files of messages and intents would be answered, without any service: the rules, formats and texts are the
//! worker's own, and every intent is decided at its own time.

pub mod input;
mod shape;
pub mod story;
pub mod tell;
#[cfg(test)]
mod tests;
