//! The tables, read once.

use std::sync::LazyLock;

/// A term.
#[derive(Debug, PartialEq, Eq)]
pub struct Term {
    number: u32,
    /// Reference ids without `MDC_`; several names of one number are separated by spaces.
    references: &'static str,
    short: &'static str,
    /// Reference ids of units without `MDC_DIM_`, or the name of a set.
    units: &'static str,
}

/// A unit.
#[derive(Debug, PartialEq, Eq)]
pub struct Unit {
    number: u32,
    /// Reference ids without `MDC_DIM_`.
    references: &'static str,
    plain: &'static str,
    /// UCUM spellings.
    ucum: &'static str,
}

/// Rows that are found by their number or by one of their reference ids.
pub(super) trait Entry {
    /// What every reference id of the table begins with.
    const PREFIX: &'static str;

    /// The row of a line.
    fn parse(line: &'static str) -> Option<Self>
    where
        Self: Sized;

    fn number(&self) -> u32;

    /// Reference ids without prefix, separated by spaces.
    fn references(&self) -> &'static str;

    /// Other names, separated by spaces.
    fn aliases(&self) -> &'static str;

    /// Whether the reference id is one of this row.
    fn is_called(&self, reference: &str) -> bool {
        let own = reference.strip_prefix(Self::PREFIX);
        own.is_some_and(|own| self.references().split(' ').any(|known| known == own))
    }
}

/// A sorted table.
pub(super) struct Index<T: 'static> {
    rows: Vec<T>,
    references: Vec<(&'static str, usize)>,
    aliases: Vec<(&'static str, usize)>,
}

impl Term {
    /// The reference id without `MDC_`.
    pub(super) fn reference(&self) -> &'static str {
        self.references.split(' ').next().unwrap_or_default()
    }

    /// The reference id, as `MDC_ECG_HEART_RATE`.
    #[must_use]
    pub fn reference_id(&self) -> String {
        format!("MDC_{}", self.reference())
    }

    /// The number, as `147842`.
    #[must_use]
    pub const fn code(&self) -> u32 {
        self.number
    }

    /// A short name that is clear to people; `None` for most terms.
    #[must_use]
    pub fn short_name(&self) -> Option<&'static str> {
        (!self.short.is_empty()).then_some(self.short)
    }

    /// The units in which the term is measured; none if the table does not list them.
    pub fn units(&self) -> impl Iterator<Item = &'static Unit> {
        self.unit_names().filter_map(|unit| UNITS.by_own_reference(unit))
    }

    /// Whether the table lists this very unit, which is the usual case.
    pub(super) fn lists(&self, unit: &Unit) -> bool {
        self.unit_names().any(|name| unit.references.split(' ').any(|known| known == name))
    }

    fn unit_names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let set = SETS.iter().find(|(name, _)| *name == self.units).map(|(_, units)| *units);
        set.unwrap_or(self.units).split(' ')
    }
}

impl Unit {
    /// The number, as `262688`.
    #[must_use]
    pub const fn code(&self) -> u32 {
        self.number
    }

    /// The usual UCUM code, as `mm[Hg]`; `None` where the table has none. Of several spellings the first that
    /// is no mere annotation: `1` and not `{unitless}`.
    #[must_use]
    pub fn ucum(&self) -> Option<&'static str> {
        let mut spellings = self.ucum.split(' ').filter(|spelling| !spelling.is_empty());
        let first = spellings.next()?;
        let is_annotation = first.starts_with('{');
        let other = spellings.find(|spelling| is_annotation && !spelling.starts_with('{'));
        Some(other.unwrap_or(first))
    }

    /// The same for a list of what was sent, where a number without unit says that it is one.
    #[must_use]
    pub fn shown(&self) -> &'static str {
        if self.plain.is_empty() { "dimensionless" } else { self.plain }
    }

    /// The unit as people write it; empty for a number without unit.
    #[must_use]
    pub const fn plain(&self) -> &'static str {
        self.plain
    }
}

impl Entry for Term {
    const PREFIX: &'static str = "MDC_";

    fn parse(line: &'static str) -> Option<Self> {
        let mut columns = line.split('\t');
        let number = columns.next()?.parse().ok()?;
        let references = columns.next()?;
        let mut next = || columns.next().unwrap_or_default();
        Some(Self { number, references, short: next(), units: next() })
    }

    fn number(&self) -> u32 {
        self.number
    }

    fn references(&self) -> &'static str {
        self.references
    }

    fn aliases(&self) -> &'static str {
        ""
    }
}

impl Entry for Unit {
    const PREFIX: &'static str = "MDC_DIM_";

    fn parse(line: &'static str) -> Option<Self> {
        let mut columns = line.split('\t');
        let number = columns.next()?.parse().ok()?;
        let references = columns.next()?;
        let mut next = || columns.next().unwrap_or_default();
        Some(Self { number, references, plain: next(), ucum: next() })
    }

    fn number(&self) -> u32 {
        self.number
    }

    fn references(&self) -> &'static str {
        self.references
    }

    fn aliases(&self) -> &'static str {
        self.ucum
    }
}

impl<T: Entry> Index<T> {
    fn read(files: &[&'static str]) -> Self {
        let lines = files.iter().flat_map(|file| file.lines());
        let mut rows: Vec<T> = lines.filter_map(T::parse).collect();
        rows.sort_by_key(T::number);
        let names = |of: fn(&T) -> &'static str| {
            let names =
                rows.iter().enumerate().flat_map(|(at, row)| of(row).split(' ').map(move |name| (name, at)));
            let mut names: Vec<_> = names.filter(|(name, _)| !name.is_empty()).collect();
            names.sort_unstable();
            names
        };
        Self { references: names(T::references), aliases: names(T::aliases), rows }
    }

    /// The number of rows.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row of a number. Events have two numbers each; the table has the even one.
    pub(super) fn by_number(&self, number: &str) -> Option<&T> {
        let number: u32 = number.parse().ok()?;
        let at = |number: u32| self.rows.binary_search_by_key(&number, T::number).ok();
        let event = || {
            let event = self.rows.get(at(number & !1)?)?;
            event.references().starts_with("EVT_").then_some(event)
        };
        at(number).and_then(|at| self.rows.get(at)).or_else(event)
    }

    pub(super) fn by_reference(&self, reference: &str) -> Option<&T> {
        self.by_own_reference(reference.strip_prefix(T::PREFIX)?)
    }

    fn by_own_reference(&self, reference: &str) -> Option<&T> {
        self.named(&self.references, reference)
    }

    fn named(&self, names: &[(&'static str, usize)], name: &str) -> Option<&T> {
        // Of several rows with one name the first.
        let at = names.partition_point(|(known, _)| *known < name);
        let (known, row) = names.get(at)?;
        (*known == name).then(|| self.rows.get(*row)).flatten()
    }
}

impl Index<Unit> {
    /// The first unit that people write in this way.
    pub(super) fn by_plain(&self, written: &str) -> Option<&Unit> {
        self.rows.iter().find(|unit| unit.plain == written && !written.is_empty())
    }

    /// The first unit with this spelling: `/min` is one of several.
    pub(super) fn by_ucum(&self, written: &str) -> Option<&Unit> {
        self.named(&self.aliases, written)
    }
}

pub(super) static TERMS: LazyLock<Index<Term>> = LazyLock::new(|| Index::read(&TERM_FILES));

pub(super) static UNITS: LazyLock<Index<Unit>> = LazyLock::new(|| Index::read(&[include_str!("units.tsv")]));

/// Long lists of units that several terms share.
static SETS: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    include_str!("unit-sets.tsv").lines().filter_map(|line| line.split_once('\t')).collect()
});

/// Rows of four columns: number, reference ids, short name, units. A line that begins with `#` is a comment.
pub(super) const TERM_FILES: [&str; 5] = [
    include_str!("vital-signs.tsv"),
    include_str!("ventilation.tsv"),
    include_str!("infusion.tsv"),
    include_str!("devices.tsv"),
    include_str!("events.tsv"),
];
