//! Values that JSON lacks: as TingoDB keeps them (`{"$wrap":"$date","v":5,"h":"1970-01-01T00:00:00.005Z"}`) and as they
//! travel through annals (`{"$date":"1970-01-01T00:00:00.005Z"}`).
//!
//! Everything else of a JSON text stays as it is, letter by letter. The text is JSON: that is known before.

use std::borrow::Cow;

use annals_core::{Error, Result, Timestamp};
use serde::Deserialize;
use serde_json::Number;

/// The JSON text that stands in the file for a payload or a snapshot's data.
///
/// Fails with `InvalidArgument` where it has a key that can't stand there: `$wrap`, and with `strict` those that npm
/// tingodb doesn't write.
pub(crate) fn to_native(json: &str, strict: bool) -> Result<Cow<'_, str>> {
    let mut json = Cow::Borrowed(json);
    // Lines have a meaning in the file; in JSON they are white space.
    if json.contains(['\n', '\r']) {
        json = json.replace(['\n', '\r'], " ").into();
    }
    if !strict && !json.contains('$') && !json.contains("\\u") {
        return Ok(json);
    }
    let mut native = None;
    let mut copied = 0;
    let mut walk = Walk::new(&json);
    while let Some(at) = walk.next_object_or_key() {
        match at {
            Found::Object(start) => {
                if let Some((text, end)) = native_of(&json, start) {
                    let native = native.get_or_insert_with(String::new);
                    native.push_str(&json[copied..start]);
                    native.push_str(&text);
                    copied = end;
                    walk.at = end;
                }
            }
            Found::Key(raw) => check(raw, strict)?,
        }
    }
    Ok(match native {
        None => json,
        Some(mut native) => {
            native.push_str(&json[copied..]);
            native.into()
        }
    })
}

/// What a JSON text of the file is in annals.
pub(crate) fn from_native(json: &str) -> Cow<'_, str> {
    if !json.contains("\"$wrap\"") {
        return json.into();
    }
    let mut extended = String::with_capacity(json.len());
    let mut copied = 0;
    let mut walk = Walk::new(json);
    while let Some(found) = walk.next_object_or_key() {
        if let Found::Object(start) = found
            && let Some((text, end)) = extended_of(json, start)
        {
            extended.push_str(&json[copied..start]);
            extended.push_str(&text);
            copied = end;
            walk.at = end;
        }
    }
    extended.push_str(&json[copied..]);
    extended.into()
}

/// A time as a file holds it.
pub(crate) fn date(stamp: Timestamp) -> String {
    format!("{{\"$wrap\":\"$date\",\"v\":{},\"h\":\"{stamp}\"}}", stamp.as_millis())
}

fn check(raw: &str, strict: bool) -> Result<()> {
    let key: Cow<'_, str> = match raw.contains('\\') {
        true => serde_json::from_str::<String>(&format!("\"{raw}\"")).unwrap_or_default().into(),
        false => raw.into(),
    };
    if key == "$wrap" {
        return Err(Error::invalid(
            "a key is named $wrap, which TingoDB's files keep for themselves: name it otherwise. Nothing was written.",
        ));
    }
    if strict && (key.starts_with('$') || key.contains('.')) {
        return Err(Error::invalid(format!(
            "the key '{key}' begins with $ or holds a dot, which npm tingodb doesn't write: name it otherwise, or leave \
             strict_keys off. Nothing was written."
        )));
    }
    Ok(())
}

/// What the Extended JSON object that begins here is in a file, if it is one that has a form there; and where it ends.
fn native_of(json: &str, start: usize) -> Option<(String, usize)> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Extended<'a> {
        #[serde(rename = "$date", borrow)]
        date: Option<Date<'a>>,
        #[serde(rename = "$oid")]
        oid: Option<i64>,
        #[serde(rename = "$binary", borrow)]
        binary: Option<Binary<'a>>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Binary<'a> {
        #[serde(borrow)]
        base64: Cow<'a, str>,
        #[serde(rename = "subType", borrow)]
        sub_type: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Date<'a> {
        Iso(#[serde(borrow)] Cow<'a, str>),
        Millis(i64),
        Long {
            #[serde(rename = "$numberLong", borrow)]
            millis: Cow<'a, str>,
        },
    }
    if !begins_with_key(json, start, &["$date", "$oid", "$binary"]) {
        return None;
    }
    let (found, end) = parse::<Extended<'_>>(json, start)?;
    let text = match found {
        Extended { date: Some(at), oid: None, binary: None } => {
            let stamp = match at {
                Date::Iso(text) => text.parse().ok()?,
                Date::Millis(millis) => exactly(millis)?,
                Date::Long { millis } => exactly(millis.parse().ok()?)?,
            };
            date(stamp)
        }
        Extended { date: None, oid: Some(id), binary: None } => format!("{{\"$wrap\":\"$oid\",\"v\":{id}}}"),
        // TingoDB has no kinds of binary: others stay as they are.
        Extended { date: None, oid: None, binary: Some(Binary { base64, sub_type }) }
            if matches!(&*sub_type, "00" | "0") =>
        {
            format!("{{\"$wrap\":\"$bin\",\"v\":{}}}", serde_json::to_string(&base64).ok()?)
        }
        _ => return None,
    };
    Some((text, end))
}

fn exactly(millis: i64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(millis)).filter(|stamp| stamp.as_millis() == millis)
}

/// What the wrapped value that begins here is in Extended JSON, if it is one; and where it ends.
fn extended_of(json: &str, start: usize) -> Option<(String, usize)> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scalar<'a> {
        Number(Number),
        Text(#[serde(borrow)] Cow<'a, str>),
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wrapped<'a> {
        #[serde(rename = "$wrap", borrow)]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        v: Option<Scalar<'a>>,
        #[serde(borrow, rename = "h")]
        _h: Option<Scalar<'a>>,
    }
    if !begins_with_key(json, start, &["$wrap", "v", "h"]) {
        return None;
    }
    let (Wrapped { kind, v, .. }, end) = parse(json, start)?;
    let text = match (&*kind, v) {
        #[allow(clippy::cast_possible_truncation, reason = "a date's milliseconds are a whole number")]
        ("$date", Some(Scalar::Number(millis))) => {
            let stamp = exactly(millis.as_i64().or_else(|| millis.as_f64().map(|m| m as i64))?)?;
            let iso = stamp.to_string();
            // Years of more than four digits have no such text.
            match iso.len() {
                24 => format!("{{\"$date\":\"{iso}\"}}"),
                _ => format!("{{\"$date\":{{\"$numberLong\":\"{}\"}}}}", stamp.as_millis()),
            }
        }
        ("$date", None) => "null".into(),
        ("$oid", Some(Scalar::Number(id))) => format!("{{\"$oid\":{id}}}"),
        ("$oid", Some(Scalar::Text(id))) => format!("{{\"$oid\":{}}}", serde_json::to_string(&id).ok()?),
        ("$bin", Some(Scalar::Text(base64))) => {
            let base64 = serde_json::to_string(&base64).ok()?;
            format!("{{\"$binary\":{{\"base64\":{base64},\"subType\":\"00\"}}}}")
        }
        _ => return None,
    };
    Some((text, end))
}

fn begins_with_key(json: &str, start: usize, keys: &[&str]) -> bool {
    let inside = json[start + 1..].trim_start();
    inside
        .strip_prefix('"')
        .is_some_and(|rest| keys.iter().any(|k| rest.strip_prefix(k).is_some_and(|r| r.starts_with('"'))))
}

/// Reads the value that begins here, and where it ends. What isn't of the type is noticed at its first wrong token.
fn parse<'a, T: Deserialize<'a>>(json: &'a str, start: usize) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(&json[start..]).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, start + values.byte_offset()))
}

enum Found<'a> {
    /// An object begins here.
    Object(usize),
    /// A key, as it is written between its quotes.
    Key(&'a str),
}

/// A walk over a JSON text that stops at objects and keys.
struct Walk<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    fn new(json: &'a str) -> Self {
        Self { json, at: 0 }
    }

    fn next_object_or_key(&mut self) -> Option<Found<'a>> {
        let bytes = self.json.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            let start = self.at;
            self.at += 1;
            match byte {
                b'{' => return Some(Found::Object(start)),
                b'"' => {
                    while let Some(inside) = bytes.get(self.at).filter(|b| **b != b'"') {
                        self.at += if *inside == b'\\' { 2 } else { 1 };
                    }
                    let text = self.json.get(start + 1..self.at)?;
                    self.at += 1;
                    let behind = bytes.get(self.at..)?.iter().find(|b| !b.is_ascii_whitespace());
                    if behind == Some(&b':') {
                        return Some(Found::Key(text));
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways(extended: &str, native: &str) {
        assert_eq!(to_native(extended, false).unwrap(), native);
        assert_eq!(from_native(native), extended);
    }

    #[test]
    fn values_that_json_lacks_have_two_forms() {
        both_ways(
            r#"{"a": [ {"$date":"1970-01-01T00:00:00.005Z"} , 1.0],"b":{"$binary":{"base64":"AAH/","subType":"00"}}}"#,
            r#"{"a": [ {"$wrap":"$date","v":5,"h":"1970-01-01T00:00:00.005Z"} , 1.0],"b":{"$wrap":"$bin","v":"AAH/"}}"#,
        );
        both_ways(r#"[{"$oid":17},"{\"$date\""]"#, r#"[{"$wrap":"$oid","v":17},"{\"$date\""]"#);
        let late = r#"{"$date":{"$numberLong":"8640000000000000"}}"#;
        assert_eq!(from_native(&to_native(late, false).unwrap()), late);
        assert_eq!(to_native(r#"{ "$date" : 5 }"#, false).unwrap(), date(Timestamp::from_millis(5)));
        assert_eq!(from_native(r#"{"a":{"$wrap":"$date","v":null,"h":null}}"#), r#"{"a":null}"#);
    }

    #[test]
    fn what_only_looks_like_them_stays_as_it_is() {
        for json in [
            r#"{"$oid":"507f1f77bcf86cd799439011"}"#,
            r#"{"$date":"today"}"#,
            r#"{"$date":5,"more":1}"#,
            r#"{"$binary":{"base64":"AAH/","subType":"03"}}"#,
            r#"{"$x":2,"a.b":1,"$":{"":"$"}}"#,
            r#"{"$date":{"$date":{"$date":5}}}"#,
        ] {
            let native = to_native(json, false).unwrap();
            let back = from_native(&native).into_owned();
            assert!(back == json || json.starts_with("{\"$date\":{\"$date\""), "{json} became {back}");
        }
    }

    #[test]
    fn keys_that_cannot_stand_in_a_file_are_refused() {
        for json in [r#"{"a":{"$wrap":"$date","v":5}}"#, r#"{"$\u0077rap":1}"#, r#"[{"b":1,"\u0024wrap":1}]"#] {
            assert!(to_native(json, false).unwrap_err().message().contains("$wrap"), "{json}");
        }
        for json in [r#"{"$x":1}"#, r#"{"a":{"b.c":1}}"#, r#"{"a\u002eb":1}"#, r#"[[{"\u0024":1}]]"#] {
            assert!(to_native(json, false).is_ok());
            assert!(to_native(json, true).unwrap_err().message().contains("strict_keys"), "{json}");
        }
        assert!(to_native(r#"{"a":"$x.y","":{"$date":5}}"#, true).is_ok());
    }

    #[test]
    fn lines_become_one() {
        assert_eq!(to_native("{\n \"a\":\r\n1}", false).unwrap(), "{  \"a\":  1}");
    }
}
