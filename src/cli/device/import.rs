//! The file of `device import`.

use std::fmt;

use super::csv::{self, CsvError, Record};
use super::issuer::{self, IssuerError};
use crate::authz::{Device, DeviceKind, DeviceStatus};
use crate::hl7::{AcknowledgeAs, AcknowledgeAsError};
use crate::model::{DeviceId, DeviceIdError};
use crate::store::device_kind;

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
        "the first line must name the columns; cn is required: cn,kind,speaks-for,issuer,acknowledge,note"
    )]
    NoHeader,
    #[error(
        "line {line}: unknown or repeated column {name}; use cn, kind, speaks-for, issuer, acknowledge and \
         note, each once"
    )]
    Column { line: usize, name: String },
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
    #[error(transparent)]
    Name(DeviceIdError),
    #[error("the kind must be device or gateway")]
    Kind,
    #[error("{0} is no device identity and no EUI-64 prefix")]
    SpeaksFor(String),
    #[error(transparent)]
    Issuer(IssuerError),
    #[error(transparent)]
    Acknowledge(AcknowledgeAsError),
    #[error("the same device is in line {0}")]
    Twice(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Kind,
    SpeaksFor,
    Issuer,
    Acknowledge,
    Note,
}

/// Parses all entries; their status is active.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, ImportError> {
    let records = csv::records(text)?;
    let (header, records) = records.split_first().ok_or(ImportError::NoHeader)?;
    let columns = columns(header)?;
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
        return Ok(entries);
    }
    errors.sort_by_key(|error| error.line);
    Err(ImportError::Entries(errors))
}

fn columns(header: &Record) -> Result<Vec<Column>, ImportError> {
    let mut columns = Vec::new();
    for name in &header.fields {
        let known = Column::ALL.into_iter().find(|column| column.name() == name);
        let unused = known.filter(|column| !columns.contains(column));
        columns.push(unused.ok_or_else(|| ImportError::Column { line: header.line, name: name.clone() })?);
    }
    if columns.contains(&Column::Name) { Ok(columns) } else { Err(ImportError::NoHeader) }
}

fn device(record: &Record, columns: &[Column]) -> Result<Device, Fault> {
    if record.fields.len() > columns.len() {
        return Err(Fault::Surplus);
    }
    let field = |wanted: Column| {
        let found = columns.iter().zip(&record.fields).find(|(column, _)| **column == wanted);
        found.map_or("", |(_, field)| field.as_str())
    };
    let kind = match field(Column::Kind) {
        "" => DeviceKind::Device,
        word => device_kind(word).ok_or(Fault::Kind)?,
    };
    let list = |column| field(column).split(';').map(str::trim).filter(|text| !text.is_empty());
    let (identities, issuers) = (list(Column::SpeaksFor), list(Column::Issuer));
    Ok(Device {
        id: DeviceId::parse(field(Column::Name)).map_err(Fault::Name)?,
        kind,
        status: DeviceStatus::Active,
        speaks_for: identities
            .map(|text| text.parse().map_err(|_| Fault::SpeaksFor(text.to_owned())))
            .collect::<Result<_, _>>()?,
        issuers: issuers.map(issuer::parse).collect::<Result<_, _>>().map_err(Fault::Issuer)?,
        acknowledge: match field(Column::Acknowledge) {
            "" => AcknowledgeAs::AsAsked,
            word => word.parse().map_err(Fault::Acknowledge)?,
        },
        silent_after: None,
        expected: false,
        note: field(Column::Note).to_owned(),
        learns_until: None,
    })
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
    const ALL: [Self; 6] =
        [Self::Name, Self::Kind, Self::SpeaksFor, Self::Issuer, Self::Acknowledge, Self::Note];

    const fn name(self) -> &'static str {
        match self {
            Self::Name => "cn",
            Self::Kind => "kind",
            Self::SpeaksFor => "speaks-for",
            Self::Issuer => "issuer",
            Self::Acknowledge => "acknowledge",
            Self::Note => "note",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_may_be_in_any_order_and_only_cn_is_required() {
        let text = "note,cn,speaks-for,kind\nward 7,GW-1,00A037*; B ;,gateway\n,PUMP-1,,\n";
        let entries = parse(text).unwrap();
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
        assert_eq!(parse("cn\nA\nB\n").unwrap().len(), 2);
    }

    #[test]
    fn the_acknowledge_column_is_read() {
        let entries = parse("cn,acknowledge\nA,accept\nB,\n").unwrap();
        let acknowledge = entries.iter().map(|entry| entry.device.acknowledge);
        assert!(acknowledge.eq([AcknowledgeAs::Accept, AcknowledgeAs::AsAsked]));
        let wrong = parse("cn,acknowledge\nA,AL\n").unwrap_err();
        assert!(wrong.to_string().starts_with("line 2: a sender is acknowledged"), "{wrong}");
    }

    #[test]
    fn all_errors_are_reported_with_their_lines() {
        let text = "cn,kind\nA,device\nB,printer\nA,device\n,device\nC,device,x\n";
        assert_eq!(
            parse(text).unwrap_err().to_string(),
            "line 3: the kind must be device or gateway\n\
             line 4: the same device is in line 2\n\
             line 5: a device identifier has at least one character\n\
             line 6: more fields than columns"
        );
    }

    #[test]
    fn a_file_without_its_header_is_refused() {
        assert_eq!(parse("").unwrap_err(), ImportError::NoHeader);
        assert_eq!(parse("kind\ndevice\n").unwrap_err(), ImportError::NoHeader);
        let unknown = |name: &str| ImportError::Column { line: 1, name: name.to_owned() };
        assert_eq!(parse("PUMP-1,device\n").unwrap_err(), unknown("PUMP-1"));
        assert_eq!(parse("cn,cn\nA,B\n").unwrap_err(), unknown("cn"));
        assert_eq!(parse("cn\n\"A").unwrap_err(), ImportError::Csv(CsvError::Unclosed(2)));
    }
}
