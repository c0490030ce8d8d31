//! The exported form of Gelu: `x / sqrt 2`, `Erf`, `+ 1`, and products with `x` and `1/2` in any order.

use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{GraphProto, NodeProto};

/// Relative distance up to which a stored constant counts as the pattern's (binary32 and hand-rounded constants).
const TOLERANCE: f64 = 1e-4;

/// The patterns of one graph.
#[derive(Debug, Default)]
pub(super) struct Gelus {
    /// Node that ends a pattern -> name of the value that enters it.
    pub(super) ends: HashMap<usize, String>,
    /// All other nodes of the patterns.
    pub(super) absorbed: HashSet<usize>,
}

/// Finds every pattern among the nodes `order`; `scalar` gives the value of a constant's name.
pub(super) fn find(
    graph: &GraphProto,
    order: &[usize],
    scalar: impl Fn(&str) -> Option<f64>,
) -> Gelus {
    let mut search = Search {
        graph,
        producer: HashMap::new(),
        readers: HashMap::new(),
        scalar,
    };
    for &i in order {
        for out in &graph.node[i].output {
            search.producer.insert(out, i);
        }
        for name in &graph.node[i].input {
            search.readers.entry(name).or_default().push(i);
        }
    }
    let mut found = Gelus::default();
    for &i in order {
        if graph.node[i].op_type == "Erf"
            && let Some(hit) = search.at(i)
        {
            found.absorbed.extend(hit.inner);
            found.ends.insert(hit.end, hit.x);
        }
    }
    found
}

struct Hit {
    x: String,
    inner: Vec<usize>,
    end: usize,
}

struct Search<'a, F> {
    graph: &'a GraphProto,
    producer: HashMap<&'a str, usize>,
    readers: HashMap<&'a str, Vec<usize>>,
    scalar: F,
}

impl<'a, F: Fn(&str) -> Option<f64>> Search<'a, F> {
    fn at(&self, erf: usize) -> Option<Hit> {
        let node = |i: usize| -> &'a NodeProto { &self.graph.node[i] };
        // x / sqrt 2, or x * (1 / sqrt 2)
        let scaled = *self.producer.get(node(erf).input.first()?.as_str())?;
        let x = match node(scaled).op_type.as_str() {
            "Div" => self.with(scaled, std::f64::consts::SQRT_2, false),
            "Mul" => self.with(scaled, std::f64::consts::FRAC_1_SQRT_2, true),
            _ => None,
        }?;
        self.only_reader(scaled)?;
        let plus_one = self.only_reader(erf)?;
        if node(plus_one).op_type != "Add" {
            return None;
        }
        self.with(plus_one, 1.0, true)?;
        let mut inner = vec![scaled, erf, plus_one];
        let product = self.only_reader(plus_one)?;
        if node(product).op_type != "Mul" {
            return None;
        }
        let sum = node(plus_one).output.first()?;
        let other = node(product).input.iter().find(|n| *n != sum);
        if let Some(other) = other.filter(|n| self.scalar_of(n).is_none()) {
            if other == x {
                // x (1 + erf), and the half last
                inner.push(product);
                let end = self.only_reader(product)?;
                self.half(end)?;
                return Some(Hit {
                    x: x.clone(),
                    inner,
                    end,
                });
            }
            // (x / 2) (1 + erf)
            let halved = *self.producer.get(other.as_str())?;
            if self.half(halved)? == x {
                self.only_reader(halved)?;
                inner.push(halved);
                return Some(Hit {
                    x: x.clone(),
                    inner,
                    end: product,
                });
            }
            return None;
        }
        // (1 + erf) / 2, and x last
        self.half(product)?;
        inner.push(product);
        let end = self.only_reader(product)?;
        let halved = node(product).output.first()?;
        let last = node(end);
        (last.op_type == "Mul" && last.input.contains(x) && last.input.contains(halved)).then(
            || Hit {
                x: x.clone(),
                inner,
                end,
            },
        )
    }

    /// The data operand of a node that multiplies by 1/2 or divides by 2.
    fn half(&self, i: usize) -> Option<&'a String> {
        match self.graph.node[i].op_type.as_str() {
            "Mul" => self.with(i, 0.5, true),
            "Div" => self.with(i, 2.0, false),
            _ => None,
        }
    }

    /// The other operand of a two-operand node, one of whose operands is the constant `want`.
    fn with(&self, i: usize, want: f64, either_side: bool) -> Option<&'a String> {
        let [a, b] = self.graph.node[i].input.as_slice() else {
            return None;
        };
        let is = |name: &str| {
            self.scalar_of(name)
                .is_some_and(|v| (v - want).abs() <= TOLERANCE * want)
        };
        if is(b) {
            Some(a)
        } else if either_side && is(a) {
            Some(b)
        } else {
            None
        }
    }

    fn scalar_of(&self, name: &str) -> Option<f64> {
        (self.scalar)(name)
    }

    /// The node that alone reads node `i`, whose result is no output of the graph.
    fn only_reader(&self, i: usize) -> Option<usize> {
        let [out] = self.graph.node[i].output.as_slice() else {
            return None;
        };
        if self.graph.output.iter().any(|o| o.name == *out) {
            return None;
        }
        match self.readers.get(out.as_str())?.as_slice() {
            [reader] => Some(*reader),
            _ => None,
        }
    }
}
