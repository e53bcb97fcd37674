use std::fmt;

use bson::{Bson, Document};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::EXACT;

/// A JSON text in BSON.
pub(super) struct Parsed {
    pub(super) value: Bson,
    pub(super) depth: usize,
    /// Whether it may be read as another value of JSON than it was.
    pub(super) changes: bool,
}

pub(super) fn parse(json: &str) -> serde_json::Result<Parsed> {
    let mut parsed = Parsed { value: Bson::Null, depth: 0, changes: false };
    let mut reader = serde_json::Deserializer::from_str(json);
    parsed.value = At { depth: 0, of: &mut parsed }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(parsed)
}

/// A place in the text.
struct At<'a> {
    depth: usize,
    of: &'a mut Parsed,
}

impl At<'_> {
    fn inside(&mut self) -> At<'_> {
        let depth = self.depth + 1;
        self.of.depth = self.of.depth.max(depth);
        At { depth, of: self.of }
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Bson;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Bson, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Bson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Bson, E> {
        Ok(Bson::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Bson, E> {
        Ok(Bson::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Bson, E> {
        Ok(whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Bson, E> {
        match i64::try_from(value) {
            Ok(value) => Ok(whole(value)),
            Err(_) => {
                self.of.changes = true;
                #[allow(clippy::cast_precision_loss, reason = "JavaScript loses it too")]
                Ok(Bson::Double(value as f64))
            }
        }
    }

    fn visit_f64<E>(self, value: f64) -> Result<Bson, E> {
        Ok(match exactly_whole(value) {
            Some(whole_value) => {
                self.of.changes = true;
                whole(whole_value)
            }
            None => Bson::Double(value),
        })
    }

    fn visit_str<E>(self, value: &str) -> Result<Bson, E> {
        Ok(Bson::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Bson, E> {
        Ok(Bson::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Bson, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self.inside())? {
            array.push(item);
        }
        self.inside();
        Ok(Bson::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Bson, A::Error> {
        self.inside();
        let mut document = Document::new();
        while let Some(key) = entries.next_key::<String>()? {
            if document.is_empty() && key.starts_with('$') {
                let mut map = Map::new();
                map.insert(key, entries.next_value()?);
                while let Some((key, value)) = entries.next_entry::<String, Value>()? {
                    map.insert(key, value);
                }
                self.of.changes = true;
                return special(map, self).map_err(de::Error::custom);
            }
            let value = entries.next_value_seed(self.inside())?;
            document.insert(key, value);
        }
        Ok(Bson::Document(document))
    }
}

/// What is written with a `$` in Extended JSON, or an object that only looks so.
fn special(map: Map<String, Value>, mut at: At<'_>) -> serde_json::Result<Bson> {
    match Bson::try_from(map.clone()) {
        Ok(Bson::Document(_)) | Err(_) => {}
        Ok(special) => return Ok(special),
    }
    let mut document = Document::new();
    for (key, value) in map {
        let value = at.inside().deserialize(value)?;
        document.insert(key, value);
    }
    Ok(Bson::Document(document))
}

fn whole(value: i64) -> Bson {
    match i32::try_from(value) {
        Ok(small) => Bson::Int32(small),
        #[allow(clippy::cast_precision_loss, reason = "it is exact up to there")]
        Err(_) if value.unsigned_abs() <= EXACT.unsigned_abs() => Bson::Double(value as f64),
        Err(_) => Bson::Int64(value),
    }
}

/// The whole number that a double is, where there is no doubt about it.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "it is within what is exact")]
pub(super) fn exactly_whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= EXACT as f64).then_some(value as i64)
}
