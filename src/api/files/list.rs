//! ListObjectsV2 (Amazon S3 API reference).

use axum::body::Body;
use axum::extract::Query as Parameters;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Response, Uri};
use bytes::Bytes;

use super::bundle::{File, Listed, file};
use super::caller::Caller;
use super::error::{FileError, XML};
use crate::api::partner::{bucket, key_of};
use crate::clients::Oid;
use crate::model::MessageId;

/// What is asked for.
#[derive(Debug, Default)]
struct Asked {
    prefix: String,
    after: Option<MessageId>,
    /// Only keys behind this text.
    start: String,
    max: u32,
    is_encoded: bool,
    /// Whether keys are grouped by their folder.
    by_folder: bool,
}

/// A page of the files, in the order of their keys.
#[derive(Debug, Default)]
struct Page {
    files: Vec<Listed>,
    /// The folder of all files, if the keys are grouped by it.
    folder: Option<String>,
    next: Option<MessageId>,
}

/// A page of the files, in the order of their keys.
pub(super) async fn list(caller: &Caller<'_>, query: &str) -> Result<Response<Body>, FileError> {
    let asked = read_query(caller, query)?;
    let page = page(caller, &asked).await?;
    let count = u64::try_from(page.files.len()).unwrap_or(u64::MAX);
    caller.record("files-listed", None, count, Vec::new()).await?;
    let document = Bytes::from(document(caller, &asked, &page));
    let body = caller.state.reads.sent_body(document).ok_or(FileError::SlowDown)?;
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Of each file only what the listing says of it is held.
async fn page(caller: &Caller<'_>, asked: &Asked) -> Result<Page, FileError> {
    let all = format!("delivery/{}/", caller.organisation);
    // All keys begin in the same way.
    let is_possible = all.starts_with(&asked.prefix) || asked.prefix.starts_with(&all);
    if !is_possible || asked.max == 0 {
        return Ok(Page::default());
    }
    let (store, devices) = (&caller.state.partners.store, caller.reader.devices());
    let folder = if asked.by_folder { folder(&all, &asked.prefix) } else { None };
    let max = if folder.is_some() { 0 } else { asked.max };
    let found = store.notifications_with_files(&caller.organisation, devices, (asked.after, max + 1)).await;
    let found = found.map_err(|error| FileError::of_store(&error))?;
    if folder.is_some() {
        return Ok(Page { folder: folder.filter(|_| !found.is_empty()), ..Page::default() });
    }
    let (shown, rest) = found.split_at(found.len().min(usize::try_from(max).unwrap_or(usize::MAX)));
    let mut page =
        Page { next: shown.last().filter(|_| !rest.is_empty()).map(|own| own.id), ..Page::default() };
    for own in shown {
        let key = key_of(&caller.organisation, own.id);
        if key.starts_with(&asked.prefix) && key > asked.start {
            page.files.extend(file(caller, own, File::listed).await?);
        }
    }
    Ok(page)
}

/// The folder behind the prefix in which all keys are; `None`: the prefix is in the last one.
fn folder(all: &str, prefix: &str) -> Option<String> {
    let (first, _) = all.strip_prefix(prefix)?.split_once(DELIMITER)?;
    Some(format!("{prefix}{first}{DELIMITER}"))
}

fn read_query(caller: &Caller<'_>, query: &str) -> Result<Asked, FileError> {
    let uri: Uri = format!("/?{query}").parse().map_err(|_| FileError::InvalidArgument)?;
    let Parameters(pairs) =
        Parameters::<Vec<(String, String)>>::try_from_uri(&uri).map_err(|_| FileError::InvalidArgument)?;
    let mut asked = Asked { max: MAX_KEYS, ..Asked::default() };
    let mut is_second_version = false;
    for (name, value) in pairs {
        match name.as_str() {
            "list-type" => is_second_version = value == "2",
            "prefix" => asked.prefix = value,
            "max-keys" => {
                let max = value.parse::<u32>().map_err(|_| FileError::InvalidArgument)?;
                asked.max = max.min(MAX_KEYS);
            }
            "encoding-type" if value == "url" => asked.is_encoded = true,
            "delimiter" if value.is_empty() => {}
            "delimiter" if value == DELIMITER => asked.by_folder = true,
            "continuation-token" => {
                asked.after = Some(value.parse().map_err(|_| FileError::InvalidArgument)?);
            }
            "start-after" => asked.start = value,
            "fetch-owner" => {}
            _ => return Err(FileError::NotImplemented),
        }
    }
    asked.after = asked.after.or_else(|| all_before(&caller.organisation, &asked.start));
    if is_second_version { Ok(asked) } else { Err(FileError::NotImplemented) }
}

/// A notification up to which no key is behind this text. The text may be a part of a key.
fn all_before(organisation: &Oid, start: &str) -> Option<MessageId> {
    let name = start.strip_prefix(&format!("delivery/{organisation}/"))?;
    let digits = name.bytes().map_while(|byte| match byte {
        b'-' => Some(None),
        digit => char::from(digit).to_digit(16).filter(|_| !digit.is_ascii_uppercase()).map(Some),
    });
    let digits = digits.flatten().chain(std::iter::repeat(0)).take(32);
    let first = digits.fold(0_u128, |id, digit| id << 4 | u128::from(digit));
    Some(MessageId::from_bytes(first.checked_sub(1)?.to_be_bytes()))
}

fn document(caller: &Caller<'_>, asked: &Asked, page: &Page) -> String {
    let Page { files, folder, next } = page;
    let encoded = |text: &str| if asked.is_encoded { percent_encoded(text) } else { escaped(text) };
    let mut xml = format!(
        "{XML}<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{}</Name>\
         <Prefix>{}</Prefix><KeyCount>{}</KeyCount><MaxKeys>{}</MaxKeys><IsTruncated>{}</IsTruncated>",
        bucket(&caller.organisation),
        encoded(&asked.prefix),
        files.len() + usize::from(folder.is_some()),
        asked.max,
        next.is_some(),
    );
    if asked.by_folder {
        xml.push_str(&format!("<Delimiter>{DELIMITER}</Delimiter>"));
    }
    if asked.is_encoded {
        xml.push_str("<EncodingType>url</EncodingType>");
    }
    if let Some(next) = next {
        xml.push_str(&format!("<NextContinuationToken>{next}</NextContinuationToken>"));
    }
    for file in files {
        xml.push_str(&format!(
            "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size>\
             <StorageClass>STANDARD</StorageClass></Contents>",
            encoded(&file.key),
            file.at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"),
            escaped(&file.etag),
            file.size,
        ));
    }
    if let Some(folder) = folder {
        xml.push_str(&format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", encoded(folder)));
    }
    xml.push_str("</ListBucketResult>");
    xml
}

fn escaped(text: &str) -> String {
    let plain = |letter: char| match letter {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        // XML 1.0 has no such character.
        control if control.is_control() => String::new(),
        other => other.to_string(),
    };
    text.chars().map(plain).collect()
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(plain).collect()
}

/// Files of a page: each is rendered, for its size.
const MAX_KEYS: u32 = 100;
/// What separates folders in keys. Another delimiter is not implemented.
const DELIMITER: &str = "/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n003_3_what_a_client_asks_for_breaks_no_document() {
        assert_eq!(escaped("a<b>&\"\u{1}"), "a&lt;b&gt;&amp;&quot;");
        assert_eq!(percent_encoded("a/b c&ä"), "a/b%20c%26%C3%A4");
    }

    #[test]
    fn n003_3_a_listing_begins_behind_a_part_of_a_key() {
        let organisation: Oid = "2.25.1".parse().unwrap();
        let id = |text: &str| text.parse::<MessageId>().unwrap();
        let own = id("0199aaaa-0000-7000-8000-000000000001");
        let key = key_of(&organisation, own);
        for (start, is_before) in [
            (key.as_str(), true),
            ("delivery/2.25.1/0199", true),
            ("delivery/2.25.1/0199aaaa-0", true),
            ("delivery/2.25.1/0199aaab", false),
            ("delivery/2.25.1/02", false),
        ] {
            let after = all_before(&organisation, start).unwrap();
            assert_eq!(*after.as_bytes() < *own.as_bytes(), is_before, "{start}");
        }
        for start in ["", "delivery", "delivery/2.25.1/", "delivery/2.25.2/0199"] {
            assert_eq!(all_before(&organisation, start), None, "{start}");
        }
    }

    #[test]
    fn n003_3_keys_are_grouped_by_folder() {
        for (prefix, found) in [
            ("", Some("delivery/")),
            ("del", Some("delivery/")),
            ("delivery", Some("delivery/")),
            ("delivery/", Some("delivery/2.25.1/")),
            ("delivery/2.2", Some("delivery/2.25.1/")),
            ("delivery/2.25.1/", None),
            ("delivery/2.25.1/0190", None),
        ] {
            assert_eq!(folder("delivery/2.25.1/", prefix).as_deref(), found, "{prefix}");
        }
    }
}
