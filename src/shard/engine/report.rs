//! What a provider reports in an inbound record: it goes on to the topics where such reports belong.

use super::Engine;
use super::notice::Notice;
use super::step::InboundItem;
use crate::core::emission::{Emission, Part};

impl Engine {
    /// Passes on what is no act of a customer; only what says something of a window or a template is kept.
    pub(super) fn report(&mut self, item: &InboundItem) {
        let record = &item.record;
        for (index, delivery) in item.decoded.deliveries.iter().enumerate().filter(|(_, it)| it.is_outside_window()) {
            let part = Part { record: record.clone(), index, part: delivery.clone() };
            self.pass_on(Emission::Delivery(Box::new(part)), self.rules.delivery_status);
        }
        for (index, update) in item.decoded.templates.iter().enumerate() {
            let part = Part { record: record.clone(), index, part: update.clone() };
            self.pass_on(Emission::Template(Box::new(part)), self.rules.template_status);
        }
    }

    fn pass_on(&mut self, emission: Emission, is_wanted: bool) {
        match is_wanted {
            true => self.transaction.emit(emission),
            false => self.notices.push(Notice::FeedbackDropped),
        }
    }
}
