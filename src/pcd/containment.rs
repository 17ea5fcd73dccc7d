//! The observations of a message as the containment tree of the device.

use super::{Level, Observation, ObservationPath, Transaction};
use crate::hl7::Message;

/// The observations of one OBR, or of one step of an order (RXG), arranged by OBX-4: senders do not keep the
/// order of the tree.
#[derive(Clone, Default)]
pub struct Containment<'m> {
    /// The position of its OBR or RXG in the message, from 0; `None` for observations before the first one.
    begin: Option<usize>,
    nodes: Vec<Node<'m>>,
    unplaced: Vec<(usize, Observation<'m>)>,
}

/// An observation and its position in the tree.
#[derive(Clone, Copy)]
pub struct Node<'m> {
    /// OBX-4.
    pub path: ObservationPath,
    /// The position of its segment in the message, from 0.
    pub position: usize,
    /// The observation.
    pub observation: Observation<'m>,
    /// The number of its containers that are in the message.
    pub depth: usize,
    container: Option<usize>,
}

impl<'m> Containment<'m> {
    /// The trees of a message, one for each OBR and each RXG: a path is valid under its OBR only, and the
    /// observations of an order are of its step (IHE PCD TF vol. 2, table 3.3.4.2-1).
    #[must_use]
    pub fn all_of(message: &'m Message<'_>) -> Vec<Self> {
        let mut trees: Vec<Self> = Vec::new();
        for (position, segment) in message.segments().enumerate() {
            if segment.is(b"OBR") || segment.is(b"RXG") {
                trees.push(Self { begin: Some(position), ..Self::default() });
            } else if trees.is_empty() && segment.is(b"OBX") {
                trees.push(Self::default());
            }
            if let (Some(tree), Some(observation)) = (trees.last_mut(), Observation::of(segment)) {
                tree.add(position, observation);
            }
        }
        trees.iter_mut().for_each(Self::connect);
        trees
    }

    /// The position of its OBR or RXG in the message, from 0; `None` for observations before the first one.
    #[must_use]
    pub const fn begin(&self) -> Option<usize> {
        self.begin
    }

    /// The observations in tree order, containers before their contents.
    #[must_use]
    pub fn nodes(&self) -> &[Node<'m>] {
        &self.nodes
    }

    /// Observations without a path, with the positions of their segments in the message.
    #[must_use]
    pub fn unplaced(&self) -> &[(usize, Observation<'m>)] {
        &self.unplaced
    }

    /// Whether OBX-4 of these observations is a place in a device. Laboratories number their results there,
    /// and PCD-09 its groups of leads (IHE PCD TF vol. 2, 3.9.4.1.2).
    #[must_use]
    pub fn describes_device(&self, transaction: Option<Transaction>) -> bool {
        let has_groups = transaction == Some(Transaction::Pcd09);
        let placed = self.nodes.iter().map(|node| node.observation);
        placed.chain(self.unplaced.iter().map(|(_, observation)| *observation)).any(|observation| {
            let system = observation.system().trimmed();
            observation.sub_id().raw().contains(&b'.') && observation.path().is_ok()
                || !has_groups
                    && (system.eq_ignore_ascii_case(b"MDC")
                        || observation.name().trimmed().starts_with(b"MDC_"))
        })
    }

    /// The containers of a node, the nearest first.
    pub fn containers(&self, node: &Node<'m>) -> impl Iterator<Item = &Node<'m>> {
        let container = |node: &Node<'m>| node.container.and_then(|at| self.nodes.get(at));
        std::iter::successors(container(node), move |node| container(node))
    }

    /// The device that contains a node, if the message describes it.
    pub fn device(&self, node: &Node<'m>) -> Option<&Node<'m>> {
        self.containers(node).find(|container| container.path.level() == Level::Mds)
    }

    fn add(&mut self, position: usize, observation: Observation<'m>) {
        match observation.path() {
            Ok(path) => self.nodes.push(Node { path, position, observation, depth: 0, container: None }),
            Err(_) => self.unplaced.push((position, observation)),
        }
    }

    fn connect(&mut self) {
        self.nodes.sort_by_key(|node| node.path);
        let mut open: Vec<(usize, ObservationPath)> = Vec::new();
        for (at, node) in self.nodes.iter_mut().enumerate() {
            while open.pop_if(|(_, container)| !container.contains(&node.path)).is_some() {}
            node.depth = open.len();
            node.container = open.last().map(|(container, _)| *container);
            open.push((at, node.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trees(rest: &str) -> Vec<Vec<String>> {
        let text = format!("MSH|^~\\&|\r{rest}");
        let message = Message::parse(text.as_bytes()).unwrap();
        let show = |tree: &Containment<'_>| {
            tree.nodes().iter().map(|node| format!("{}{}", "-".repeat(node.depth), node.path)).collect()
        };
        Containment::all_of(&message).iter().map(show).collect()
    }

    #[test]
    fn the_order_of_the_segments_does_not_matter() {
        let shuffled = "OBR|1\rOBX|1|||1.1.1.2\rOBX|2|||1.1.0.0\rOBX|3|||1.1.1.2.1\rOBX|4|||1\rOBX|5|||1.1.1.0\rOBX|6|||1.0.0.1\r";
        let expected = ["1.0.0.0", "-1.0.0.1", "-1.1.0.0", "--1.1.1.0", "---1.1.1.2", "----1.1.1.2.1"];
        assert_eq!(trees(shuffled), [expected]);
    }

    #[test]
    fn parts_of_missing_containers_keep_their_position() {
        assert_eq!(
            trees("OBR|1\rOBX|1|||1.6.1.1\rOBX|2|||1\rOBX|3|||1.3.1.1\r"),
            [["1.0.0.0", "-1.3.1.1", "-1.6.1.1"]]
        );
    }

    #[test]
    fn each_request_has_its_own_tree() {
        let two = trees("OBR|1\rOBX|1|||1\rOBX|2|||1.0.0.1\rOBR|2\rOBX|3|||1.0.0.1\r");
        assert_eq!(two, [vec!["1.0.0.0", "-1.0.0.1"], vec!["1.0.0.1"]]);
    }

    #[test]
    fn each_step_of_an_order_has_its_own_tree() {
        let text = "MSH|^~\\&|\rORC|RE\rRXG|1\rOBX|1|||1\rOBX|2|||1.0.0.1\rRXG|2\rOBX|3|||1.0.0.1\rRXG|3\r";
        let message = Message::parse(text.as_bytes()).unwrap();
        let trees = Containment::all_of(&message);
        let shown: Vec<_> = trees.iter().map(|tree| (tree.begin(), tree.nodes().len())).collect();
        assert_eq!(shown, [(Some(2), 2), (Some(5), 1), (Some(7), 0)]);
    }

    #[test]
    fn a_value_has_its_device_and_values_without_path_are_listed() {
        let text = "MSH|^~\\&|\rOBR|1\rOBX|1|||2.1.1.7\rOBX|2|||1||||||||||||||E1\rOBX|3|||2||||||||||||||E2\rOBX|4\r";
        let message = Message::parse(text.as_bytes()).unwrap();
        let trees = Containment::all_of(&message);
        let value = trees[0].nodes().last().unwrap();
        assert_eq!(trees[0].device(value).unwrap().observation.equipment().raw(), b"E2");
        assert_eq!(trees[0].unplaced().len(), 1);
    }
}
