//! Who a part of a webhook is about: a phone number, a business-scoped user id (BSUID), or both.

use super::super::loose;
use crate::core::ids::CustomerId;
use crate::wire::fields::Fields;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A POST holds at most 1,000 updates; contacts beyond this many are not looked at.
const MAX_CONTACTS: usize = 2_000;

const CONTACT: [&str; 2] = ["wa_id", "user_id"];

type Id<'a> = Cow<'a, str>;

/// A customer with all ids that are known.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Person {
    pub(super) id: CustomerId,
    pub(super) aliases: Vec<CustomerId>,
}

impl Person {
    /// One who has a single id.
    pub(super) fn only(id: Id<'_>) -> Person {
        Person { id: CustomerId::new(without_plus(&id)), aliases: Vec::new() }
    }
}

/// The contacts of a change, to be found by either id.
#[derive(Default)]
pub(super) struct People<'a> {
    by_phone: BTreeMap<Id<'a>, Id<'a>>,
    by_user: BTreeMap<Id<'a>, Id<'a>>,
    /// The contact, when there is just one.
    only: Option<(Option<Id<'a>>, Option<Id<'a>>)>,
}

impl<'a> People<'a> {
    pub(super) fn read(contacts: Option<&'a str>) -> People<'a> {
        let mut people = People::default();
        let mut count = 0;
        let Some(contacts) = contacts else { return people };
        loose::each(contacts, |_, contact| {
            count += 1;
            if count <= MAX_CONTACTS
                && let Ok(fields) = Fields::read(contact, &CONTACT)
            {
                people.add(
                    loose::id(&fields, "wa_id").unwrap_or_default(),
                    loose::id(&fields, "user_id").unwrap_or_default(),
                );
            }
        });
        if count != 1 {
            people.only = None;
        }
        people
    }

    fn add(&mut self, phone: Option<Id<'a>>, user: Option<Id<'a>>) {
        if let (Some(phone), Some(user)) = (&phone, &user) {
            self.by_phone.insert(phone.clone(), user.clone());
            self.by_user.insert(user.clone(), phone.clone());
        }
        self.only = Some((phone, user));
    }

    /// The one who has those ids, completed by the contacts. Without any id it is the one contact there is.
    pub(super) fn find(&self, phone: Option<Id<'a>>, user: Option<Id<'a>>) -> Option<Person> {
        let (phone, user) = match (phone, user) {
            (None, None) => self.only.clone()?,
            (Some(phone), None) => {
                // What stands as a phone number may be a user id.
                let other = self.by_phone.get(&phone).or_else(|| self.by_user.get(&phone)).cloned();
                (Some(phone), other)
            }
            (None, Some(user)) => (self.by_user.get(&user).cloned(), Some(user)),
            both => both,
        };
        let (first, second) = match phone {
            Some(phone) => (phone, user),
            None => (user?, None),
        };
        let mut person = Person::only(first);
        let other = second.map(|id| CustomerId::new(without_plus(&id))).filter(|other| *other != person.id);
        person.aliases.extend(other);
        Some(person)
    }
}

fn without_plus(id: &str) -> &str {
    id.strip_prefix('+').filter(|rest| !rest.is_empty()).unwrap_or(id)
}
