//! Values as JavaScript takes them.

use std::borrow::Cow;
use std::fmt;

use annals_core::Timestamp;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::wrap::date;

/// A value as JavaScript takes it: a number may be a text, a text a number. Anything else is none.
#[derive(Default, Debug, PartialEq)]
pub(crate) enum Loose<'a> {
    #[default]
    None,
    Text(Cow<'a, str>),
    Whole(u64),
    Number(f64),
    Flag(bool),
    Time(Timestamp),
}

impl Loose<'_> {
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// A text that is not empty.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(Cow::Borrowed(text)),
            Self::Whole(number) => Some(number.to_string().into()),
            Self::Number(number) => Some(number.to_string().into()),
            _ => None,
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and in range")]
    pub(crate) fn whole(&self) -> Option<u64> {
        match self {
            Self::Whole(number) => Some(*number),
            Self::Number(number) if *number >= 0.0 && number.fract() == 0.0 && *number < 1.8e19 => Some(*number as u64),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn small(&self) -> u32 {
        self.whole().map_or(0, |number| u32::try_from(number).unwrap_or(u32::MAX))
    }

    #[allow(clippy::cast_possible_truncation, reason = "milliseconds are whole")]
    pub(crate) fn time(&self) -> Timestamp {
        match self {
            Self::Time(stamp) => *stamp,
            Self::Text(text) => text.parse().unwrap_or_default(),
            Self::Whole(millis) => Timestamp::from_millis(i64::try_from(*millis).unwrap_or(i64::MAX)),
            Self::Number(millis) => Timestamp::from_millis(*millis as i64),
            Self::None | Self::Flag(_) => Timestamp::default(),
        }
    }
}

impl Serialize for Loose<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Whole(number) => serializer.serialize_u64(*number),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Time(stamp) => {
                let raw = RawValue::from_string(date(*stamp)).map_err(serde::ser::Error::custom)?;
                raw.serialize(serializer)
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Loose::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Loose::Whole(number))
    }

    #[allow(clippy::cast_precision_loss, reason = "JavaScript's numbers are doubles")]
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Loose::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Loose::Number(number))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Loose::Flag(flag))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::None)
    }

    /// A wrapped date is a time; any other object is none.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut is_date, mut value) = (false, Loose::None);
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match &*name {
                "$wrap" => is_date = map.next_value::<Loose<'de>>()? == Loose::Text("$date".into()),
                "v" => value = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(if is_date { Loose::Time(value.time()) } else { Loose::None })
    }
}
