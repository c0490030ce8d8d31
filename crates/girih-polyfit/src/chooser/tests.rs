#![allow(clippy::unwrap_used)]
use super::*;

fn request(function: Function, bound: f64, target: f64) -> Request {
    let interval = Interval::symmetric(bound).unwrap();
    Request::new(function, interval, Target::MaxError(target))
}

#[test]
fn no_plan_of_the_front_beats_another() {
    for function in [Function::Gelu, Function::Sigmoid, Function::Exp] {
        let front = front(&request(function, 4.0, 1e-3)).unwrap();
        assert!(front.len() > 8);
        for (k, a) in front.iter().enumerate() {
            for (j, b) in front.iter().enumerate() {
                let beats = b.depth <= a.depth && b.cost <= a.cost && b.max_error <= a.max_error;
                assert!(j == k || !beats, "{} beats {}", b.name, a.name);
            }
            assert!(a.max_error <= a.error_bound && a.mean_error <= a.max_error);
        }
        assert!(front.windows(2).all(|w| w[0].depth <= w[1].depth));
    }
}

/// The cheapest plan is one of least cost on the front that meets the target.
#[test]
fn the_cheapest_is_on_the_front() {
    for (function, bound, target) in [
        (Function::Gelu, 8.0, 1e-3),
        (Function::Sigmoid, 10.0, 1e-2),
        (Function::Exp, 2.0, 1e-6),
        (Function::Relu, 1.0, 0.03),
    ] {
        let request = request(function, bound, target);
        let choice = cheapest(&request).unwrap();
        assert!(choice.max_error <= target);
        let least = front(&request)
            .unwrap()
            .into_iter()
            .filter(|c| c.max_error <= target)
            .map(|c| c.cost)
            .fold(f64::INFINITY, f64::min);
        assert_eq!(choice.cost, least, "{function}: {}", choice.name);
    }
}

/// Halves of the products: gelu is even but for x/2, sigmoid odd but for 1/2.
#[test]
fn symmetric_functions_take_symmetric_polynomials() {
    for (function, most) in [(Function::Gelu, 9), (Function::Sigmoid, 13)] {
        let mut request = request(function, 8.0, 3e-4);
        request.cost = CostModel::products();
        let choice = cheapest(&request).unwrap();
        assert!(
            choice.counts.products <= most,
            "{}: {:?}",
            choice.name,
            choice.counts
        );
    }
}

#[test]
fn a_density_changes_the_choice() {
    let flat = Request {
        target: Target::MeanError(1e-3),
        ..request(Function::Gelu, 8.0, 1.0)
    };
    let peaked = Request {
        density: Some(Density::normal(0.0, 1.0).unwrap()),
        ..flat.clone()
    };
    let (flat, peaked) = (cheapest(&flat).unwrap(), cheapest(&peaked).unwrap());
    assert!(flat.mean_error <= 1e-3 && peaked.mean_error <= 1e-3);
    assert_eq!(peaked.method, Method::LeastSquares);
    assert!(peaked.counts.products < flat.counts.products);
    assert!(peaked.cost < flat.cost);
}

#[test]
fn deep_plans_wait_for_bootstraps() {
    let mut request = request(Function::Gelu, 8.0, 1e-3);
    let free = cheapest(&request).unwrap();
    request.cost.levels = free.depth - 1;
    let short = cheapest(&request).unwrap();
    assert!(short.cost > free.cost + 25_000.0);
    request.cost.bootstrap = None;
    assert!(matches!(cheapest(&request), Err(Error::Unreachable { .. })));
}

#[test]
fn a_target_out_of_reach_says_how_near_one_comes() {
    let mut request = request(Function::Gelu, 8.0, 1e-9);
    request.max_depth = 5;
    match cheapest(&request) {
        Err(Error::Unreachable {
            reached,
            depth,
            max_depth,
            ..
        }) => {
            assert_eq!((depth, max_depth), (5, 5));
            assert!(reached > 1e-6 && reached < 1e-4, "{reached}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn misuse_is_refused() {
    for target in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refused = cheapest(&request(Function::Gelu, 8.0, target));
        assert!(matches!(refused, Err(Error::Parameter { .. })));
    }
    let overflow = request(Function::Exp, 800.0, 1.0);
    assert!(matches!(front(&overflow), Err(Error::NotFinite { .. })));
    let mut high = request(Function::Gelu, 8.0, 1e-3);
    high.max_degree = 5000;
    assert!(matches!(front(&high), Err(Error::Degree { .. })));
    let mut none = request(Function::Gelu, 8.0, 1e-3);
    none.methods.clear();
    assert!(matches!(front(&none), Err(Error::Unreachable { .. })));
    let mut elsewhere = request(Function::Gelu, 8.0, 1e-3);
    elsewhere.density = Some(Density::uniform(Interval::try_new(20.0, 21.0).unwrap()));
    assert!(front(&elsewhere).is_err());
    assert!("remez!".parse::<Method>().is_err());
}

#[test]
fn own_ends_take_a_level() {
    let folded = request(Function::Gelu, 8.0, 1e-3);
    let own = Request {
        ends: Ends::Own,
        ..folded.clone()
    };
    assert!(cheapest(&own).unwrap().depth > cheapest(&folded).unwrap().depth);
    let unit = Request {
        ends: Ends::Own,
        ..request(Function::Gelu, 1.0, 1e-3)
    };
    assert_eq!(
        cheapest(&unit).unwrap().depth,
        cheapest(&unit).unwrap().plan.depth()
    );
}
