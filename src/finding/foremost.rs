//! Which of many findings are shown where there is room for a few.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// At most `most` of `items`, which are sorted by severity, in their order. The first of each code is among
/// them, whatever its severity: a hundred silent devices must not hide that their gateway has no platform. Of
/// the same severity the second of each code comes before the third of any, and so on.
pub fn foremost<T, S: PartialEq, C: Clone + Eq + Hash>(
    items: &[T],
    most: usize,
    kind: impl Fn(&T) -> (S, C),
) -> Vec<&T> {
    let (mut ranks, mut known): (HashMap<C, usize>, HashSet<C>) = Default::default();
    let (mut level, mut severity) = (0, None);
    let mut ranked = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let (own, code) = kind(item);
        let own = Some(own);
        if severity != own {
            (level, severity) = (level + 1, own);
            ranks.clear();
        }
        let is_further = !known.insert(code.clone());
        let rank = ranks.entry(code).or_default();
        ranked.push((is_further, level, *rank, at));
        *rank += 1;
    }
    ranked.sort_unstable();
    ranked.truncate(most);
    let mut places: Vec<_> = ranked.into_iter().map(|(_, _, _, at)| at).collect();
    places.sort_unstable();
    places.into_iter().filter_map(|at| items.get(at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_findings_of_one_code_hide_no_other() {
        let mut all = vec![("urgent", "device-locked-out"); 30];
        all.extend([("urgent", "device-silent"); 3]);
        all.extend([("attention", "backup-old")]);
        all.extend([("attention", "device-never-seen"); 30]);
        let (out, silent) = ("device-locked-out", "device-silent");
        let shown = |most| -> Vec<_> {
            foremost(&all, most, |item| *item).into_iter().map(|(_, code)| *code).collect()
        };
        assert_eq!(shown(2), [out, silent], "severity decides first");
        assert_eq!(shown(4), [out, silent, "backup-old", "device-never-seen"]);
        assert_eq!(shown(7), [out, out, out, silent, silent, "backup-old", "device-never-seen"]);
        assert_eq!(shown(100).len(), 64);
    }
}
