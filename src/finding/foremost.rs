//! Which of many findings are shown where there is room for a few.

use std::collections::HashMap;
use std::hash::Hash;

/// At most `most` of `items`, which are sorted by severity, in their order. Of the same severity the first of
/// each code come before the second of any: many of one code, which a stranger may cause, hide no other.
pub fn foremost<T, S: PartialEq, C: Eq + Hash>(
    items: &[T],
    most: usize,
    kind: impl Fn(&T) -> (S, C),
) -> Vec<&T> {
    let mut ranks: HashMap<C, usize> = HashMap::new();
    let (mut level, mut severity) = (0, None);
    let mut ranked = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let (own, code) = kind(item);
        let own = Some(own);
        if severity != own {
            (level, severity) = (level + 1, own);
            ranks.clear();
        }
        let rank = ranks.entry(code).or_default();
        ranked.push((level, *rank, at));
        *rank += 1;
    }
    ranked.sort_unstable();
    ranked.truncate(most);
    let mut places: Vec<_> = ranked.into_iter().map(|(_, _, at)| at).collect();
    places.sort_unstable();
    places.into_iter().filter_map(|at| items.get(at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_findings_of_one_code_hide_no_other_of_their_severity() {
        let mut all = vec![("urgent", "device-locked-out"); 30];
        all.extend([("urgent", "device-silent"); 3]);
        all.extend([("attention", "backup-old")]);
        let shown = foremost(&all, 5, |item| *item);
        let codes: Vec<_> = shown.iter().map(|(_, code)| *code).collect();
        let (out, silent) = ("device-locked-out", "device-silent");
        assert_eq!(codes, [out, out, out, silent, silent]);
        assert_eq!(foremost(&all, 100, |item| *item).len(), 34);
        let last = foremost(&all, 34, |item| *item);
        assert_eq!(last.last(), Some(&&("attention", "backup-old")), "severity decides first");
    }
}
