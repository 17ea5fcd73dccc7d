//! Every number of rows on a page is a link to these rows: the list that it leads to has exactly as many, or
//! says that it is cut. Read on every page that links lead to, of a site where much has happened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pcd_platform::pki::KeyType;

use crate::harness::{Device, Platform, Site, Wire, eventually, framed, message};
use crate::pages::open;

/// A number of rows, and where it leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number {
    pub(crate) rows: usize,
    pub(crate) href: String,
}

/// Every page that links lead to, from the overview on.
fn walk(platform: &Platform) -> BTreeMap<String, String> {
    let mut open_paths: VecDeque<String> = ["/".to_owned()].into();
    let mut known: BTreeSet<String> = open_paths.iter().cloned().collect();
    let mut pages = BTreeMap::new();
    while let Some(path) = open_paths.pop_front() {
        let (status, head, body) = open(platform, &path);
        assert_eq!(status, 200, "{path}: {body}");
        if !head.contains("text/html") {
            continue;
        }
        for link in attributes(&body, "href") {
            let link = link.split('#').next().unwrap_or_default().to_owned();
            let is_page = link.starts_with('/')
                && !["/help", "/assets", "/live"].iter().any(|one| link.starts_with(one));
            if is_page && known.len() < MAX_PAGES && known.insert(link.clone()) {
                open_paths.push_back(link);
            }
        }
        pages.insert(path, body);
    }
    pages
}

/// The values of an attribute, as text.
fn attributes(html: &str, name: &str) -> Vec<String> {
    let mark = format!(" {name}=\"");
    html.split(&*mark).skip(1).map(|rest| text(rest.split('"').next().unwrap_or_default())).collect()
}

fn text(html: &str) -> String {
    html.replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

/// The links with a number of rows.
fn numbers(page: &str) -> Vec<Number> {
    let links = page.split("<a ").skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
    let number = |link: &str| {
        let link = format!(" {link}");
        let rows = attributes(&link, "data-rows").first()?.parse().ok()?;
        Some(Number { rows, href: attributes(&link, "href").first()?.clone() })
    };
    links.filter_map(number).collect()
}

/// How many rows the list has to which this leads, and whether it says that it is cut: the lists behind the
/// heading that the address names, otherwise those of the page.
fn list(page: &str, href: &str) -> (usize, bool) {
    let scope = match href.split_once('#') {
        Some((_, heading)) => {
            let mark = format!(" id=\"{heading}\"");
            let behind = page.split_once(&*mark).unwrap_or_else(|| panic!("{href}: there is no {heading}")).1;
            behind.split("<h2").next().unwrap_or(behind)
        }
        None => page,
    };
    let tables =
        scope.split("<table data-list>").skip(1).map(|rest| rest.split("</table>").next().unwrap_or(rest));
    let rows = tables.map(|table| table.split("<tbody>").nth(1).unwrap_or_default().matches("<tr>").count());
    (rows.sum(), scope.contains(" data-cut"))
}

/// A text without its elements; links with a number of rows are left out, and so are headings, which count
/// what stands below them.
fn visible(html: &str) -> String {
    let mut shown = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        shown.push_str(before);
        shown.push(' ');
        let (tag, behind) = tag.split_once('>').unwrap_or((tag, ""));
        let skipped = match tag.split([' ', '>']).next().unwrap_or_default() {
            "a" if tag.contains("data-rows=") => Some("</a>"),
            "h1" => Some("</h1>"),
            "title" => Some("</title>"),
            "table" => Some("</table>"),
            "svg" => Some("</svg>"),
            "code" => Some("</code>"),
            _ => None,
        };
        rest = match skipped {
            Some(end) => behind.split_once(end).map_or("", |(_, behind)| behind),
            None => behind,
        };
    }
    text(&format!("{shown}{rest}"))
}

/// Words such as `3 devices` in the text outside of tables.
fn counted_in_words(page: &str) -> Vec<String> {
    let shown = visible(page.split_once("<main").map_or(page, |(_, main)| main));
    let words: Vec<&str> =
        shown.split([' ', '\n', '(', ')', ',', ';']).filter(|word| !word.is_empty()).collect();
    let is_number = |word: &str| word.chars().all(|letter| letter.is_ascii_digit() || letter == '\u{202F}');
    // No rows need no link.
    let counts = |pair: &&[&str]| {
        is_number(pair[0]) && pair[0] != "0" && NOUNS.contains(&pair[1].trim_end_matches(['.', ':']))
    };
    words.windows(2).filter(counts).map(|pair| pair.join(" ")).collect()
}

/// The cells of each table that are a number and no link, with the head of their column.
fn bare_cells(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for table in page.split("<table").skip(1).map(|rest| rest.split("</table>").next().unwrap_or(rest)) {
        let heads: Vec<_> = table
            .split("<th scope=\"col\">")
            .skip(1)
            .map(|rest| rest.split('<').next().unwrap_or_default())
            .collect();
        for row in table.split("<tbody>").nth(1).unwrap_or_default().split("<tr>").skip(1) {
            let row = row.replace("<th scope=\"row\">", "<td>").replace("</th>", "</td>");
            for (cell, head) in row.split("<td>").skip(1).zip(&heads) {
                let shown = visible(cell.split("</td>").next().unwrap_or(cell));
                let shown = shown.trim();
                let is_number = |letter: char| letter.is_ascii_digit() || letter == '\u{202F}';
                if !shown.is_empty() && shown != "0" && shown.chars().all(is_number) {
                    found.push(((*head).to_owned(), shown.to_owned()));
                }
            }
        }
    }
    found
}

/// A platform at which something has happened: devices in wards, more messages than a page lists, rejected
/// ones, silent, suspended and refused devices, and orders.
fn eventful(site: &Site) -> Platform {
    let platform = site.start();
    platform.admit(NAME, &["--ward", "ICU", "--name", "Monitor 3"]);
    platform.admit("GW-1", &["--kind", "gateway", "--speaks-for", "00A037FFFE0000*", "--ward", "icu "]);
    platform.admit("PUMP-9", &["--expected", "--ward", "3 West"]);
    platform.admit("PUMP-8", &["--ward", "3 West"]);
    let mut monitor = Device::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc)).unwrap();
    for number in 0..MESSAGES {
        assert_eq!(monitor.code(message(NAME, &number.to_string())), "CA");
    }
    let mut gateway = Wire::connect(site, platform.address, &site.certificate("GW-1", KeyType::Rsa));
    for (control_id, identity, code) in [
        ("g-1", "00A037FFFE000011", "CA"),
        ("g-2", "00A03700000000FF", "CR"),
        ("g-3", "00A03700000000FF", "CR"),
    ] {
        gateway.write(&framed(&message(identity, control_id)));
        assert_eq!(gateway.verdict().0, code);
    }
    gateway.write(&framed(b"MSH|^~\\&|no message"));
    gateway.verdict();
    drop((monitor, gateway));
    platform.cli().run(&["device", "suspend", "PUMP-8"]);
    for name in ["STRANGER", "PUMP-8"] {
        let _ = Device::connect(site, platform.address, &site.certificate(name, KeyType::Ecc));
    }
    let file = site.path().join("order.hl7");
    std::fs::write(&file, message(NAME, "O-1")).unwrap();
    platform.cli().try_run(&["order", "send", NAME, file.to_str().unwrap(), "--no-wait"]);
    eventually("silent devices are findings", || {
        platform.metric("pcd_findings{code=\"device-silent\"}") >= 3.0
    });
    eventually("refusals are stored", || platform.get("/refusals").1.contains("suspended-device"));
    platform
}

#[test]
fn every_number_of_rows_is_a_link_to_exactly_these_rows() {
    let site = Site::new().with("devices", "silent-after = \"2s\"");
    let platform = eventful(&site);
    let (seen, cut) = all_numbers(&platform);
    // The walk has met all of them.
    let leads = |to: &str| seen.iter().any(|number| number.href.starts_with(to) && number.rows > 0);
    for to in [
        "/devices?state=",
        "/devices?ward=",
        "/messages?device=",
        "/messages?verdict=rejected",
        "/orders?waiting=1",
        "/refusals?since=24h",
        "/system?code=device-silent",
        "/trust?month=",
        "/trust?quarter=",
        "/trust#crls",
    ] {
        assert!(leads(to), "no number leads to {to}: {seen:?}");
    }
    assert!(cut > 0, "no list is longer than a page");
    platform.stop();
}

/// Every number of rows on the pages of this platform, each of which is a link to exactly these rows, and how
/// many of the lists are longer than a page.
pub(crate) fn all_numbers(platform: &Platform) -> (BTreeSet<Number>, usize) {
    let mut wrong: Vec<String> = Vec::new();
    let (mut seen, mut cut) = (BTreeSet::new(), 0);
    let pages = walk(platform);
    for (path, page) in &pages {
        for words in counted_in_words(page) {
            wrong.push(format!("{path}: \"{words}\" is no link to them"));
        }
        for (column, number) in bare_cells(page) {
            if !MEASURES.iter().any(|(measure, _)| *measure == column) {
                wrong.push(format!("{path}: {number} in the column {column} is no link to its rows"));
            }
        }
        for number in numbers(page) {
            if !seen.insert(number.clone()) {
                continue;
            }
            match leads_to_its_rows(platform, path, &number) {
                Ok(is_cut) => cut += usize::from(is_cut),
                Err(what) => wrong.push(what),
            }
        }
    }
    assert!(wrong.is_empty(), "{} pages:\n{}", pages.len(), wrong.join("\n"));
    (seen, cut)
}

/// Whether the list is cut. What happens between two pages counts for nothing: the page with the number is
/// read again, until both agree.
fn leads_to_its_rows(platform: &Platform, path: &str, number: &Number) -> Result<bool, String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        let again = open(platform, path).2;
        let Some(now) = numbers(&again).into_iter().find(|one| one.href == number.href) else {
            return Ok(false);
        };
        let (status, _, page) = open(platform, now.href.split('#').next().unwrap_or_default());
        if status != 200 {
            return Err(format!("{path}: {} answers {status}", now.href));
        }
        let (rows, is_cut) = list(&page, &now.href);
        if rows == now.rows || (is_cut && rows < now.rows) {
            return Ok(is_cut);
        }
        last = format!("{path}: {} rows, and {} has {rows}", now.rows, now.href);
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    Err(last)
}

const NAME: &str = "00A037FFFE000001";
/// More than a page lists.
const MESSAGES: usize = 105;
/// Pages of the walk: lists lead to lists.
const MAX_PAGES: usize = 120;
const TRIES: usize = 25;

/// What pages count: behind a number these are rows of a list.
const NOUNS: [&str; 22] = [
    "device",
    "devices",
    "message",
    "messages",
    "order",
    "orders",
    "certificate",
    "certificates",
    "CRL",
    "CRLs",
    "response",
    "responses",
    "refusal",
    "refusals",
    "finding",
    "findings",
    "session",
    "sessions",
    "row",
    "rows",
    "alarm",
    "alarms",
];

/// Columns with numbers that count no rows of a list, and what they are.
const MEASURES: [(&str, &str); 9] = [
    ("Used", "a limit"),
    ("Limit", "a limit"),
    ("How often", "refusals of one peer for one reason: they are one row"),
    ("Revoked", "entries of a list of a CA"),
    ("Rows", "rows of a chain when it was verified last"),
    ("Go within a day", "an estimate of retention"),
    ("Last", "a value"),
    ("Control id", "an identifier"),
    ("Serial number", "an identifier"),
];
