//! The file of `device import`: its columns and its lines.

use std::fmt;

use super::csv::{self, CsvError, Record};
use super::issuer::{self, IssuerError};
use crate::authz::{About, AboutError, Device, DeviceKind, DeviceStatus};
use crate::config::SilentAfterError;
use crate::hl7::{AcknowledgeAs, AcknowledgeAsError};
use crate::model::{DeviceId, DeviceIdError};
use crate::pcd::PatternList;
use crate::store::device_kind;

/// What a file says.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) entries: Vec<Entry>,
    /// The columns that it has.
    pub(super) columns: Vec<Column>,
    /// The names of the columns that are left out.
    pub(super) ignored: Vec<String>,
}

/// A device, and its line in the file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) device: Device,
}

/// Why a file cannot be imported.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ImportError {
    #[error(transparent)]
    Csv(#[from] CsvError),
    #[error(
        "the first line must name the columns; cn is required: cn,kind,name,ward,model,serial,owner,speaks-for,\
         issuer,acknowledge,silent-after,expected,receives-orders,note"
    )]
    NoHeader,
    #[error("line {line}: the column {name} is there twice")]
    Column { line: usize, name: String },
    #[error("the file is UTF-16; save it as \"CSV UTF-8\"")]
    Utf16,
    /// All errors of the file, so that one attempt shows all of them.
    #[error("{}", lines(.0))]
    Entries(Vec<EntryError>),
}

/// What is wrong with one line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EntryError {
    line: usize,
    fault: Fault,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("more fields than columns")]
    Surplus,
    #[error("fewer fields than columns; write a separator for each empty field")]
    Short,
    #[error(transparent)]
    Name(DeviceIdError),
    #[error("the kind must be device or gateway")]
    Kind,
    #[error("{0} is no list of device identities and EUI-64 prefixes")]
    SpeaksFor(String),
    #[error(transparent)]
    Issuer(IssuerError),
    #[error(transparent)]
    Acknowledge(AcknowledgeAsError),
    #[error(transparent)]
    SilentAfter(SilentAfterError),
    #[error("expected must be yes or no")]
    Expected,
    #[error("receives-orders must be yes or no")]
    ReceivesOrders,
    #[error(transparent)]
    About(AboutError),
    #[error("the same device is in line {0}")]
    Twice(usize),
}

/// A column of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Cn,
    Kind,
    SpeaksFor,
    Issuer,
    Acknowledge,
    SilentAfter,
    Expected,
    ReceivesOrders,
    Note,
    Name,
    Ward,
    Model,
    Serial,
    Owner,
}

/// Reads all entries. A new one is active.
pub(super) fn parse(text: &str) -> Result<Parsed, ImportError> {
    let records = csv::records(text)?;
    let (header, records) = records.split_first().ok_or(ImportError::NoHeader)?;
    let Columns { columns, ignored } = columns(header)?;
    let mut entries: Vec<Entry> = Vec::with_capacity(records.len());
    let mut errors = Vec::new();
    for record in records {
        let line = record.line;
        match device(record, &columns) {
            Err(fault) => errors.push(EntryError { line, fault }),
            Ok(device) => entries.push(Entry { line, device }),
        }
    }
    errors.extend(duplicates(&entries));
    if errors.is_empty() {
        return Ok(Parsed { entries, ignored, columns: columns.into_iter().flatten().collect() });
    }
    errors.sort_by_key(|error| error.line);
    Err(ImportError::Entries(errors))
}

/// The columns of a file; `None` for one that is left out.
struct Columns {
    columns: Vec<Option<Column>>,
    ignored: Vec<String>,
}

fn columns(header: &Record) -> Result<Columns, ImportError> {
    let (mut columns, mut ignored) = (Vec::new(), Vec::new());
    for name in &header.fields {
        let plain = name.to_lowercase().replace([' ', '_'], "-");
        let known = Column::ALL.into_iter().find(|column| column.name() == plain);
        if known.is_some() && columns.contains(&known) {
            return Err(ImportError::Column { line: header.line, name: name.clone() });
        }
        if known.is_none() && !name.is_empty() {
            ignored.push(name.clone());
        }
        columns.push(known);
    }
    if columns.contains(&Some(Column::Cn)) {
        Ok(Columns { columns, ignored })
    } else {
        Err(ImportError::NoHeader)
    }
}

/// A text without the apostrophe by which `device list --csv` keeps a spreadsheet from taking it for a
/// formula.
fn without_guard(field: &str) -> &str {
    let inner = field.strip_prefix('\'');
    inner.filter(|text| text.starts_with(['=', '+', '-', '@'])).unwrap_or(field)
}

/// Whether the record has the fields of the columns.
fn require_fields(record: &Record, columns: &[Option<Column>]) -> Result<(), Fault> {
    // Spreadsheets write empty fields behind the last column.
    if record.fields.iter().skip(columns.len()).any(|field| !field.is_empty()) {
        return Err(Fault::Surplus);
    }
    // A missing field is no empty one: an update would empty the property.
    if columns.iter().skip(record.fields.len()).any(Option::is_some) {
        return Err(Fault::Short);
    }
    Ok(())
}

fn device(record: &Record, columns: &[Option<Column>]) -> Result<Device, Fault> {
    require_fields(record, columns)?;
    let field = |wanted: Column| {
        let found = columns.iter().zip(&record.fields).find(|(column, _)| **column == Some(wanted));
        found.map_or("", |(_, field)| without_guard(field))
    };
    let kind = match field(Column::Kind).to_lowercase().as_str() {
        "" => DeviceKind::Device,
        word => device_kind(word).ok_or(Fault::Kind)?,
    };
    let list = |text: &str, separators: &[char]| {
        let parts = text.split(separators).map(str::trim).filter(|text| !text.is_empty());
        parts.map(str::to_owned).collect::<Vec<_>>()
    };
    let identities = list(field(Column::SpeaksFor), &['|']);
    let issuers = list(field(Column::Issuer), &[';', '|']);
    let patterns = |text: &String| {
        let list = text.parse::<PatternList>().map_err(|_| Fault::SpeaksFor(text.clone()));
        list.map(PatternList::into_patterns)
    };
    let about = |column| About::parse(field(column)).map_err(Fault::About);
    Ok(Device {
        id: DeviceId::parse(field(Column::Cn)).map_err(Fault::Name)?,
        kind,
        status: DeviceStatus::Active,
        speaks_for: identities.iter().map(patterns).collect::<Result<Vec<_>, _>>()?.concat(),
        issuers: issuers
            .iter()
            .map(|text| issuer::parse(text))
            .collect::<Result<_, _>>()
            .map_err(Fault::Issuer)?,
        acknowledge: match field(Column::Acknowledge) {
            "" => AcknowledgeAs::AsAsked,
            word => word.parse().map_err(Fault::Acknowledge)?,
        },
        silent_after: match field(Column::SilentAfter) {
            "" | "as-configured" => None,
            word => Some(word.parse().map_err(Fault::SilentAfter)?),
        },
        expected: yes_or_no(field(Column::Expected), false).ok_or(Fault::Expected)?,
        receives_orders: yes_or_no(field(Column::ReceivesOrders), true).ok_or(Fault::ReceivesOrders)?,
        note: field(Column::Note).to_owned(),
        learns_until: None,
        about: About {
            name: about(Column::Name)?,
            ward: about(Column::Ward)?,
            model: about(Column::Model)?,
            serial: about(Column::Serial)?,
            owner: about(Column::Owner)?,
        },
    })
}

/// What a field says; `otherwise` where it is empty.
fn yes_or_no(field: &str, otherwise: bool) -> Option<bool> {
    match field.to_lowercase().as_str() {
        "" => Some(otherwise),
        "no" | "false" | "0" => Some(false),
        "yes" | "true" | "1" | "x" => Some(true),
        _ => None,
    }
}

/// The entry `known` with what the columns of the file say of it.
pub(super) fn updated(known: &Device, columns: &[Column], new: &Device) -> Device {
    let mut device = known.clone();
    for column in columns {
        match column {
            Column::Cn => {}
            Column::Kind => device.kind = new.kind,
            Column::SpeaksFor => device.speaks_for.clone_from(&new.speaks_for),
            Column::Issuer => device.issuers.clone_from(&new.issuers),
            Column::Acknowledge => device.acknowledge = new.acknowledge,
            Column::SilentAfter => device.silent_after = new.silent_after,
            Column::Expected => device.expected = new.expected,
            Column::ReceivesOrders => device.receives_orders = new.receives_orders,
            Column::Note => device.note.clone_from(&new.note),
            Column::Name => device.about.name.clone_from(&new.about.name),
            Column::Ward => device.about.ward.clone_from(&new.about.ward),
            Column::Model => device.about.model.clone_from(&new.about.model),
            Column::Serial => device.about.serial.clone_from(&new.about.serial),
            Column::Owner => device.about.owner.clone_from(&new.about.owner),
        }
    }
    device
}

/// The text of a file. One that is not UTF-8 is read as Latin-1, with the first line that says so.
///
/// # Errors
/// When it is UTF-16.
pub(super) fn decode(bytes: &[u8]) -> Result<(String, Option<usize>), ImportError> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(ImportError::Utf16);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok((text.to_owned(), None)),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            Ok((bytes.iter().map(|byte| char::from(*byte)).collect(), Some(line)))
        }
    }
}

fn duplicates(entries: &[Entry]) -> Vec<EntryError> {
    let mut first = std::collections::HashMap::new();
    let mut errors = Vec::new();
    for Entry { line, device } in entries {
        let earlier = *first.entry(&device.id).or_insert(*line);
        if earlier != *line {
            errors.push(EntryError { line: *line, fault: Fault::Twice(earlier) });
        }
    }
    errors
}

fn lines(errors: &[EntryError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.fault)
    }
}

impl Column {
    const ALL: [Self; 14] = [
        Self::Cn,
        Self::Kind,
        Self::SpeaksFor,
        Self::Issuer,
        Self::Acknowledge,
        Self::SilentAfter,
        Self::Expected,
        Self::ReceivesOrders,
        Self::Note,
        Self::Name,
        Self::Ward,
        Self::Model,
        Self::Serial,
        Self::Owner,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Cn => "cn",
            Self::Kind => "kind",
            Self::SpeaksFor => "speaks-for",
            Self::Issuer => "issuer",
            Self::Acknowledge => "acknowledge",
            Self::SilentAfter => "silent-after",
            Self::Expected => "expected",
            Self::ReceivesOrders => "receives-orders",
            Self::Note => "note",
            Self::Name => "name",
            Self::Ward => "ward",
            Self::Model => "model",
            Self::Serial => "serial",
            Self::Owner => "owner",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_may_be_in_any_order_and_only_cn_is_required() {
        let text = "note,cn,speaks-for,kind\nward 7,GW-1,00A037*; B ;,gateway\n,PUMP-1,,\n";
        let entries = parse(text).unwrap().entries;
        let shown: Vec<_> = entries
            .iter()
            .map(|Entry { line, device }| {
                let speaks_for: Vec<_> = device.speaks_for.iter().map(ToString::to_string).collect();
                (*line, device.id.as_str(), device.kind.as_str(), speaks_for.join(" "), device.note.as_str())
            })
            .collect();
        assert_eq!(
            shown,
            [
                (2, "GW-1", "gateway", "00A037* B".to_owned(), "ward 7"),
                (3, "PUMP-1", "device", String::new(), ""),
            ]
        );
        assert_eq!(parse("cn\nA\nB\n").unwrap().entries.len(), 2);
    }

    #[test]
    fn the_acknowledge_column_is_read() {
        let entries = parse("cn,acknowledge\nA,accept\nB,\n").unwrap().entries;
        let acknowledge = entries.iter().map(|entry| entry.device.acknowledge);
        assert!(acknowledge.eq([AcknowledgeAs::Accept, AcknowledgeAs::AsAsked]));
        let wrong = parse("cn,acknowledge\nA,AL\n").unwrap_err();
        assert!(wrong.to_string().starts_with("line 2: a sender is acknowledged"), "{wrong}");
    }

    #[test]
    fn all_errors_are_reported_with_their_lines() {
        let text = "cn,kind\nA,device\nB,printer\nA,device\n,device\nC,device,x\nD\n";
        assert_eq!(
            parse(text).unwrap_err().to_string(),
            "line 3: the kind must be device or gateway\n\
             line 4: the same device is in line 2\n\
             line 5: a device identifier has at least one character\n\
             line 6: more fields than columns\n\
             line 7: fewer fields than columns; write a separator for each empty field"
        );
    }

    #[test]
    fn columns_that_are_not_known_are_named_and_left_out() {
        let parsed = parse("Room,CN,Silent_After,,\n7,A,never,,\n").unwrap();
        assert_eq!(
            (parsed.ignored, parsed.columns),
            (vec!["Room".to_owned()], vec![Column::Cn, Column::SilentAfter])
        );
        let wrong = parse("cn,expected,silent-after,name\nA,perhaps,,\nB,,soon,\nC,,,a\u{7}b\n").unwrap_err();
        let lines: Vec<_> = wrong.to_string().lines().map(|line| line[..7].to_owned()).collect();
        assert_eq!(lines, ["line 2:", "line 3:", "line 4:"], "{wrong}");
    }

    #[test]
    fn a_file_that_is_not_utf8_is_latin_1_with_its_line() {
        assert_eq!(decode("cn\nÄ\n".as_bytes()).unwrap(), ("cn\nÄ\n".to_owned(), None));
        assert_eq!(decode(b"cn\nA\n\xc4\n").unwrap(), ("cn\nA\nÄ\n".to_owned(), Some(3)));
        assert_eq!(decode(b"\xff\xfec\0n\0"), Err(ImportError::Utf16));
    }

    #[test]
    fn a_file_without_its_header_is_refused() {
        assert_eq!(parse("").unwrap_err(), ImportError::NoHeader);
        assert_eq!(parse("kind\ndevice\n").unwrap_err(), ImportError::NoHeader);
        let twice = |name: &str| ImportError::Column { line: 1, name: name.to_owned() };
        assert_eq!(parse("PUMP-1,device\n").unwrap_err(), ImportError::NoHeader);
        assert_eq!(parse("cn,CN\nA,B\n").unwrap_err(), twice("CN"));
        assert_eq!(parse("cn\n\"A").unwrap_err(), ImportError::Csv(CsvError::Unclosed(2)));
    }
}
