//! What is committed with an offset, besides the offset: the topic that it belongs to, and how young the records below it were.
//!
//! `TOPIC_ID`, or `TOPIC_ID MILLISECONDS`.

use crate::core::ids::TopicId;
use crate::core::time::Timestamp;

/// The words behind a committed offset.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Words {
    /// Its topic; none where an older version, or somebody else, committed it.
    pub(super) topic_id: Option<TopicId>,
    /// No record below it is younger.
    pub(super) newest: Option<Timestamp>,
}

impl Words {
    pub(super) fn written(topic_id: &TopicId, newest: Option<Timestamp>) -> String {
        match newest {
            Some(newest) => format!("{topic_id} {}", newest.as_millis()),
            None => topic_id.to_string(),
        }
    }

    pub(super) fn read(text: &str) -> Words {
        let (id, newest) = text.split_once(' ').map_or((text, None), |(id, newest)| (id, newest.parse().ok()));
        Words {
            topic_id: Some(id).filter(|id| !id.is_empty()).map(TopicId::new),
            newest: newest.map(Timestamp::from_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_less_is_less() {
        let id = TopicId::new("8kZbA1JtTfiGRIMlZDwF3g");
        for newest in [None, Some(Timestamp::from_millis(1_795_342_530_123)), Some(Timestamp::MIN)] {
            let words = Words { topic_id: Some(id.clone()), newest };
            assert_eq!(Words::read(&Words::written(&id, newest)), words);
        }
        assert_eq!(Words::read(""), Words::default());
        assert_eq!(Words::read("id soon"), Words { topic_id: Some(TopicId::new("id")), newest: None });
    }
}
