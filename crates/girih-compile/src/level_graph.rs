//! Where a computation is bootstrapped: the shortest path over the graph of its levels.
//!
//! A node that starts at level `l` costs `seconds(l)` and leaves its result at level `l - depth`. The result may be
//! bootstrapped once, for all that read it: it is then available at the top. A node starts no higher than its sources
//! are available. Sought are start levels and bootstrapped nodes of least total price.
//!
//! A path between two nodes is a table: its least price by the level at which its tail is available and the level at which its
//! head starts. A node with one edge in and one out vanishes into such a table; two edges between the same nodes add up.
//! So single-entry-single-exit regions (residual branches) disappear from the innermost out (the placement of Orion:
//! Ebel, Garimella, Reagen, ASPLOS 2025, with the price of a bootstrapping shared by all branches that read its result).
//! What is left of other graphs is swept in topological order, with the levels of all values still to be read as the
//! state. `O(edges · top³)` where regions nest, exponential in the values alive at a time where they do not.

use std::collections::HashMap;

/// A computation with one source (the first node) and one sink (the last node).
#[derive(Clone, Debug, PartialEq)]
pub struct LevelGraph {
    /// Highest level: where inputs enter and bootstrapped values land.
    pub top: u8,
    /// Lowest level of a value that can be bootstrapped.
    pub lowest: u8,
    /// The nodes; every source is earlier than its readers.
    pub nodes: Vec<LevelNode>,
}

/// A step of the computation.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelNode {
    /// Nodes whose results are read, each once; none for the first node only.
    pub sources: Vec<usize>,
    /// Levels consumed.
    pub depth: u8,
    /// Price by the level at which the node starts: `top + 1` entries.
    pub seconds: Vec<f64>,
    /// Price of bootstrapping the result; `None` if it cannot be.
    pub bootstrap: Option<f64>,
}

/// Levels and bootstrappings of least price.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelPlan {
    /// The level at which each node starts.
    pub start: Vec<u8>,
    /// Whether each node's result is bootstrapped.
    pub bootstrapped: Vec<bool>,
    /// Price of the whole.
    pub seconds: f64,
}

/// States that a sweep keeps; beyond them the dearest are forgotten, and the plan may not be the best.
const MAX_STATES: usize = 1 << 16;

impl LevelGraph {
    /// The cheapest plan; `None` if no bootstrappings make the levels suffice.
    ///
    /// # Panics
    /// A graph without nodes, sources that are not earlier, prices of another length than `top + 1`.
    #[must_use]
    pub fn solve(&self) -> Option<LevelPlan> {
        let mut paths = Paths::new(self);
        paths.reduce();
        let (seconds, chosen) = self.sweep(&paths)?;
        let mut start = vec![0; self.nodes.len()];
        let mut bootstrapped = vec![false; self.nodes.len()];
        let mut choice = |node: usize, at: Choice| (start[node], bootstrapped[node]) = at;
        for (node, at) in &chosen {
            choice(*node, *at);
        }
        let at: HashMap<usize, Choice> = chosen.into_iter().collect();
        for &edge in &paths.live {
            let Edge { tail, head, .. } = paths.edges[edge];
            paths.unfold(
                edge,
                self.available(tail, at[&tail]),
                at[&head].0,
                &mut choice,
            );
        }
        Some(LevelPlan {
            start,
            bootstrapped,
            seconds,
        })
    }

    fn levels(&self) -> usize {
        usize::from(self.top) + 1
    }

    /// The level at which a node's result can be read.
    fn available(&self, node: usize, (start, bootstrapped): Choice) -> u8 {
        match bootstrapped {
            true => self.top,
            false => start - self.nodes[node].depth,
        }
    }

    /// What a node may do when it starts at `level`, with its price.
    fn choices(&self, node: usize, level: u8) -> impl Iterator<Item = (Choice, f64)> {
        let LevelNode {
            depth,
            ref seconds,
            bootstrap,
            ..
        } = self.nodes[node];
        let price = seconds[usize::from(level)];
        let left = level.checked_sub(depth);
        let plain = left.map(|_| ((level, false), price));
        let raised = bootstrap.filter(|_| left.is_some_and(|l| l >= self.lowest));
        plain
            .into_iter()
            .chain(raised.map(|b| ((level, true), price + b)))
    }

    /// The cheapest choices of the nodes that are left after the reduction, in topological order.
    fn sweep(&self, paths: &Paths<'_>) -> Option<(f64, Vec<(usize, Choice)>)> {
        let mut nodes: Vec<usize> = vec![0];
        nodes.extend(paths.live.iter().map(|&e| paths.edges[e].head));
        nodes.sort_unstable();
        nodes.dedup();
        let last_reader = |node: usize| {
            let readers = paths.live.iter().map(|&e| &paths.edges[e]);
            readers.filter(|e| e.tail == node).map(|e| e.head).max()
        };
        // Steps taken: the one before, the node and its choice.
        let mut steps: Vec<(usize, usize, Choice)> = Vec::new();
        // By the levels of the values alive: price and last step.
        let mut states: HashMap<Vec<u8>, (f64, usize)> =
            HashMap::from([(Vec::new(), (0.0, usize::MAX))]);
        let mut alive: Vec<usize> = Vec::new();
        for &node in &nodes {
            let read: Vec<(usize, usize)> = paths
                .live
                .iter()
                .filter(|&&e| paths.edges[e].head == node)
                .filter_map(|&e| {
                    let tail = paths.edges[e].tail;
                    alive.iter().position(|&a| a == tail).map(|at| (e, at))
                })
                .collect();
            let kept: Vec<usize> = (0..alive.len())
                .filter(|&at| last_reader(alive[at]).is_some_and(|last| last > node))
                .collect();
            let mut next: HashMap<Vec<u8>, (f64, usize)> = HashMap::new();
            for (levels, &(so_far, step)) in &states {
                for level in 0..=self.top {
                    let paths_here: f64 = read
                        .iter()
                        .map(|&(e, at)| paths.price(e, levels[at], level))
                        .sum();
                    for (choice, price) in self.choices(node, level) {
                        let total = so_far + paths_here + price;
                        if !total.is_finite() {
                            continue;
                        }
                        let mut key: Vec<u8> = kept.iter().map(|&at| levels[at]).collect();
                        key.push(self.available(node, choice));
                        let known = next.get(&key).map_or(f64::INFINITY, |k| k.0);
                        if total < known {
                            steps.push((step, node, choice));
                            next.insert(key, (total, steps.len() - 1));
                        }
                    }
                }
            }
            alive = kept.iter().map(|&at| alive[at]).collect();
            alive.push(node);
            states = cheapest(next);
        }
        let (seconds, mut step) = states.into_values().min_by(|a, b| a.0.total_cmp(&b.0))?;
        let mut chosen = Vec::with_capacity(nodes.len());
        while let Some(&(before, node, choice)) = steps.get(step) {
            chosen.push((node, choice));
            step = before;
        }
        Some((seconds, chosen))
    }
}

/// Start level, and whether the result is bootstrapped.
type Choice = (u8, bool);

/// The cheapest of too many states.
fn cheapest(states: HashMap<Vec<u8>, (f64, usize)>) -> HashMap<Vec<u8>, (f64, usize)> {
    if states.len() <= MAX_STATES {
        return states;
    }
    let mut sorted: Vec<_> = states.into_iter().collect();
    sorted.sort_by(|a, b| a.1.0.total_cmp(&b.1.0).then_with(|| a.0.cmp(&b.0)));
    sorted.truncate(MAX_STATES);
    sorted.into_iter().collect()
}

/// The graph with its paths as edges, on the way to a single one.
struct Paths<'a> {
    graph: &'a LevelGraph,
    /// All edges ever made.
    edges: Vec<Edge>,
    /// Those that are left.
    live: Vec<usize>,
}

struct Edge {
    tail: usize,
    head: usize,
    /// By the level at which the tail is available, then by that at which the head starts.
    prices: Vec<f64>,
    made: Made,
}

/// What an edge stands for.
enum Made {
    /// The head reads the tail.
    Given,
    /// Two edges and the node between them, with its choices in the order of the prices.
    Series(usize, usize, usize, Vec<Choice>),
    /// Two edges between the same nodes.
    Parallel(usize, usize),
}

impl<'a> Paths<'a> {
    fn new(graph: &'a LevelGraph) -> Self {
        let levels = graph.levels();
        let mut edges = Vec::new();
        for (head, node) in graph.nodes.iter().enumerate() {
            assert_eq!(node.seconds.len(), levels, "a price for every level");
            for &tail in &node.sources {
                assert!(tail < head, "sources come first");
                let reads = |i: usize| {
                    if i % levels <= i / levels {
                        0.0
                    } else {
                        f64::INFINITY
                    }
                };
                edges.push(Edge {
                    tail,
                    head,
                    prices: (0..levels * levels).map(reads).collect(),
                    made: Made::Given,
                });
            }
        }
        Paths {
            graph,
            live: (0..edges.len()).collect(),
            edges,
        }
    }

    fn price(&self, edge: usize, available: u8, start: u8) -> f64 {
        self.edges[edge].prices[usize::from(available) * self.graph.levels() + usize::from(start)]
    }

    /// Removes nodes and double edges as long as there are any to remove.
    fn reduce(&mut self) {
        loop {
            let mut changed = false;
            for node in 1..self.graph.nodes.len() {
                let of = |end: fn(&Edge) -> usize| {
                    let mut found = self.live.iter().filter(|&&e| end(&self.edges[e]) == node);
                    found.next().copied().filter(|_| found.next().is_none())
                };
                if let (Some(into), Some(out)) = (of(|e| e.head), of(|e| e.tail)) {
                    self.series(into, node, out);
                    changed = true;
                }
            }
            let mut by_ends: HashMap<(usize, usize), usize> = HashMap::new();
            for edge in self.live.clone() {
                let Edge { tail, head, .. } = self.edges[edge];
                match by_ends.remove(&(tail, head)) {
                    Some(other) => {
                        let sum = self.parallel(other, edge);
                        by_ends.insert((tail, head), sum);
                        changed = true;
                    }
                    None => {
                        by_ends.insert((tail, head), edge);
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }

    fn replace(&mut self, a: usize, b: usize, edge: Edge) -> usize {
        self.live.retain(|&e| e != a && e != b);
        self.edges.push(edge);
        self.live.push(self.edges.len() - 1);
        self.edges.len() - 1
    }

    fn series(&mut self, into: usize, node: usize, out: usize) {
        let (graph, levels) = (self.graph, self.graph.levels());
        // The node and what follows, by its start and that of the head.
        let mut rest = vec![(f64::INFINITY, (0, false)); levels * levels];
        for start in 0..=graph.top {
            for (choice, price) in graph.choices(node, start) {
                for head in 0..=graph.top {
                    let total = price + self.price(out, graph.available(node, choice), head);
                    let best = &mut rest[usize::from(start) * levels + usize::from(head)];
                    if total < best.0 {
                        *best = (total, choice);
                    }
                }
            }
        }
        let mut prices = vec![f64::INFINITY; levels * levels];
        let mut choices = vec![(0, false); levels * levels];
        for tail in 0..levels {
            for start in 0..levels {
                let first = self.edges[into].prices[tail * levels + start];
                for head in 0..levels {
                    let (price, choice) = rest[start * levels + head];
                    if first + price < prices[tail * levels + head] {
                        prices[tail * levels + head] = first + price;
                        choices[tail * levels + head] = choice;
                    }
                }
            }
        }
        let edge = Edge {
            tail: self.edges[into].tail,
            head: self.edges[out].head,
            prices,
            made: Made::Series(into, node, out, choices),
        };
        self.replace(into, out, edge);
    }

    fn parallel(&mut self, a: usize, b: usize) -> usize {
        let both = self.edges[a].prices.iter().zip(&self.edges[b].prices);
        let edge = Edge {
            tail: self.edges[a].tail,
            head: self.edges[a].head,
            prices: both.map(|(a, b)| a + b).collect(),
            made: Made::Parallel(a, b),
        };
        self.replace(a, b, edge)
    }

    /// Reports the choices of all nodes that vanished into an edge.
    fn unfold(
        &self,
        edge: usize,
        available: u8,
        start: u8,
        report: &mut impl FnMut(usize, Choice),
    ) {
        let mut open = vec![(edge, available, start)];
        while let Some((edge, available, start)) = open.pop() {
            match &self.edges[edge].made {
                Made::Given => {}
                Made::Parallel(a, b) => {
                    open.extend([(*a, available, start), (*b, available, start)]);
                }
                Made::Series(into, node, out, choices) => {
                    let at = usize::from(available) * self.graph.levels() + usize::from(start);
                    let choice = choices[at];
                    report(*node, choice);
                    open.push((*into, available, choice.0));
                    open.push((*out, self.graph.available(*node, choice), start));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(sources: &[usize], depth: u8, seconds: &[f64], bootstrap: Option<f64>) -> LevelNode {
        LevelNode {
            sources: sources.to_vec(),
            depth,
            seconds: seconds.to_vec(),
            bootstrap,
        }
    }

    /// Price of a plan by the definition; `None` if it breaks a rule.
    fn price(graph: &LevelGraph, start: &[u8], bootstrapped: &[bool]) -> Option<f64> {
        let mut total = 0.0;
        let mut available: Vec<u8> = Vec::new();
        for (i, node) in graph.nodes.iter().enumerate() {
            if node.sources.iter().any(|&s| available[s] < start[i]) {
                return None;
            }
            let left = start[i].checked_sub(node.depth)?;
            total += node.seconds[usize::from(start[i])];
            available.push(match bootstrapped[i] {
                true if left < graph.lowest => return None,
                true => graph.top,
                false => left,
            });
            if bootstrapped[i] {
                total += node.bootstrap?;
            }
        }
        Some(total)
    }

    /// The best price among all assignments.
    fn brute_force(graph: &LevelGraph) -> Option<f64> {
        let n = graph.nodes.len();
        let each = 2 * graph.levels();
        (0..each.pow(n as u32))
            .filter_map(|mut code| {
                let (mut start, mut bootstrapped) = (Vec::new(), Vec::new());
                for _ in 0..n {
                    let choice = code % each;
                    code /= each;
                    start.push((choice / 2) as u8);
                    bootstrapped.push(choice % 2 == 1);
                }
                price(graph, &start, &bootstrapped)
            })
            .min_by(f64::total_cmp)
    }

    /// Random graphs: every node reads some of the earlier ones, the last reads all that nothing else reads.
    fn graphs(nodes: usize, top: u8) -> impl Strategy<Value = LevelGraph> {
        let levels = usize::from(top) + 1;
        let one = (
            any::<u8>(),
            0..=top.min(2),
            proptest::collection::vec(0.0..4.0f64, levels),
            proptest::option::weighted(0.8, 0.0..8.0f64),
        );
        (proptest::collection::vec(one, 2..=nodes), 0..=top / 2).prop_map(move |(raw, lowest)| {
            let last = raw.len() - 1;
            let mut read = vec![false; raw.len()];
            let mut nodes = Vec::new();
            for (i, (mask, depth, mut seconds, bootstrap)) in raw.into_iter().enumerate() {
                seconds.sort_by(f64::total_cmp);
                let mut sources: Vec<usize> = (0..i).filter(|s| mask >> s & 1 == 1).collect();
                if i == last {
                    sources = (0..i).filter(|&s| !read[s] || mask >> s & 1 == 1).collect();
                } else if i > 0 && sources.is_empty() {
                    sources = vec![usize::from(mask) % i];
                }
                sources.iter().for_each(|&s| read[s] = true);
                let depth = if i == 0 { 0 } else { depth };
                nodes.push(LevelNode {
                    sources,
                    depth,
                    seconds,
                    bootstrap,
                });
            }
            LevelGraph { top, lowest, nodes }
        })
    }

    fn check(graph: &LevelGraph) -> std::result::Result<(), TestCaseError> {
        match (graph.solve(), brute_force(graph)) {
            (Some(plan), Some(best)) => {
                let real = price(graph, &plan.start, &plan.bootstrapped);
                prop_assert!(
                    real.is_some_and(|p| (p - plan.seconds).abs() < 1e-9),
                    "{plan:?}"
                );
                prop_assert!(
                    (plan.seconds - best).abs() < 1e-9,
                    "{plan:?} against {best}"
                );
            }
            (found, best) => prop_assert_eq!(found.map(|p| p.seconds), best),
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn plans_are_as_good_as_the_best_of_all(graph in graphs(5, 2)) {
            check(&graph)?;
        }

        #[test]
        fn few_nodes_on_more_levels(graph in graphs(4, 4)) {
            check(&graph)?;
        }
    }

    /// A residual block around another one: nothing is left to sweep but source and sink.
    #[test]
    fn nested_regions_vanish_from_the_innermost() {
        let flat = [1.0; 4];
        let n = |sources: &[usize], depth| node(sources, depth, &flat, Some(10.0));
        let graph = LevelGraph {
            top: 3,
            lowest: 0,
            nodes: vec![
                n(&[], 0),
                n(&[0], 1),
                n(&[1], 1),
                n(&[1, 2], 0),
                n(&[3], 1),
                n(&[4, 0], 0),
                n(&[5], 2),
            ],
        };
        let mut paths = Paths::new(&graph);
        paths.reduce();
        assert_eq!(paths.live.len(), 1);
        let plan = graph.solve().expect("bootstraps");
        assert_eq!(plan.bootstrapped.iter().filter(|b| **b).count(), 1);
        assert_eq!(
            Some(plan.seconds),
            price(&graph, &plan.start, &plan.bootstrapped)
        );
        assert_eq!(plan.seconds, 17.0);
    }

    /// One bootstrapping of a value serves the branch and the way around it.
    #[test]
    fn branches_share_a_bootstrapping() {
        let n = |sources: &[usize], depth, b| node(sources, depth, &[0.0, 0.0, 0.0], b);
        let graph = LevelGraph {
            top: 2,
            lowest: 0,
            nodes: vec![
                n(&[], 0, None),
                n(&[0], 2, Some(1.0)),
                n(&[1], 1, Some(5.0)),
                n(&[1, 2], 1, None),
            ],
        };
        let plan = graph.solve().expect("one bootstrapping");
        assert_eq!(plan.bootstrapped, [false, true, false, false]);
        assert_eq!(plan.seconds, 1.0);
    }

    /// The cut with fewer ciphertexts is taken; without prices of levels the start is any that suffices.
    #[test]
    fn the_cheapest_cut_is_taken() {
        let slow: Vec<f64> = (0..=6).map(f64::from).collect();
        let mut nodes = vec![node(&[], 0, &[0.0; 7], None)];
        for (i, tiles) in [8.0, 8.0, 1.0, 8.0, 8.0].into_iter().enumerate() {
            nodes.push(node(&[i], 2, &slow, Some(100.0 * tiles)));
        }
        let graph = LevelGraph {
            top: 6,
            lowest: 0,
            nodes,
        };
        let plan = graph.solve().expect("one bootstrapping");
        assert_eq!(plan.bootstrapped, [false, false, false, true, false, false]);
        // Before the cut all six levels are needed, after it four of six.
        assert_eq!(plan.start[1..], [6, 4, 2, 4, 2]);
        let shallow = LevelGraph { top: 1, ..graph };
        let shallow = LevelGraph {
            nodes: shallow
                .nodes
                .into_iter()
                .map(|n| LevelNode {
                    seconds: n.seconds[..2].to_vec(),
                    ..n
                })
                .collect(),
            ..shallow
        };
        assert_eq!(shallow.solve(), None, "no level holds a node of depth 2");
    }

    /// Hundreds of nodes take milliseconds.
    #[test]
    fn long_chains_are_quick() {
        let seconds: Vec<f64> = (0..=12).map(|l| 1.0 + f64::from(l)).collect();
        let nodes = (0..600usize)
            .map(|i| {
                let sources: Vec<usize> = match i {
                    0 => Vec::new(),
                    i if i % 4 == 0 => vec![i - 1, i - 4],
                    i => vec![i - 1],
                };
                node(&sources, u8::from(i > 0), &seconds, Some(40.0))
            })
            .collect();
        let graph = LevelGraph {
            top: 12,
            lowest: 0,
            nodes,
        };
        let plan = graph.solve().expect("bootstraps");
        assert_eq!(
            price(&graph, &plan.start, &plan.bootstrapped).map(f64::round),
            Some(plan.seconds.round())
        );
    }
}
