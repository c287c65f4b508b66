//! Commands to paste into a shell, for whoever wants to take part with a Kafka client of their own.

use super::cast::YOU;

/// Words that stand apart by a space in the shell; a line may end behind each.
type Words = Vec<String>;

/// Writes to the bakery as a customer.
pub(super) fn message(brokers: &str) -> Words {
    let value = [
        r#"'{"message_id":"'$(date +%s)'",'"#.to_owned(),
        format!(r#"'"business_id":"{}",'"#, YOU.business),
        format!(r#"'"customer_id":"{}",'"#, YOU.customer),
        r#"'"type":"text",'"#.to_owned(),
        r#"'"occurred_at":"'$(date -u +%FT%TZ)'"}'"#.to_owned(),
    ];
    produce(brokers, "inbound-message", value)
}

/// Asks for a message to that customer.
pub(super) fn intent(brokers: &str) -> Words {
    let value = [
        r#"'{"intent_id":"'$(date +%s)'",'"#.to_owned(),
        format!(r#"'"business_id":"{}",'"#, YOU.business),
        format!(r#"'"customer_id":"{}",'"#, YOU.customer),
        r#"'"message":{"type":"text"}}'"#.to_owned(),
    ];
    produce(brokers, "outbound-intent", value)
}

fn produce(brokers: &str, topic: &str, value: impl IntoIterator<Item = String>) -> Words {
    let key = format!("-k {}:{}", YOU.business, YOU.customer);
    let mut words = vec!["echo".to_owned()];
    words.extend(value);
    words.push("| kcat -P".to_owned());
    // An option stays with its value.
    words.extend([
        format!("-b {brokers}"),
        format!("-t {topic}"),
        key,
        "-X topic.partitioner=murmur2_random".to_owned(),
    ]);
    words
}

/// The words as lines that a shell reads as one command. A word that is wider stands alone.
pub(super) fn wrap(words: &[String], width: usize) -> Vec<String> {
    const CONTINUES: &str = " \\";
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() + CONTINUES.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(line) => {
                line.push_str(CONTINUES);
                lines.push(word.clone());
            }
            None => lines.push(word.clone()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_wrapped_command_is_still_one_command() {
        for width in [60, 80, 200] {
            let lines = wrap(&message("127.0.0.1:9092"), width);
            assert!(lines.iter().all(|line| line.len() <= width), "{lines:#?}");
            let (last, others) = lines.split_last().unwrap();
            assert!(!last.ends_with('\\') && others.iter().all(|line| line.ends_with(" \\")), "{lines:#?}");
        }
    }

    #[test]
    fn the_shell_makes_json_of_it() {
        for command in [message("127.0.0.1:9092"), intent("127.0.0.1:9092")] {
            let script = format!("kcat() {{ cat; }}; {}", wrap(&command, 60).join("\n"));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(value["customer_id"], YOU.customer, "{value}");
        }
    }
}
