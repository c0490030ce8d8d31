#![allow(clippy::unwrap_used)]
use super::*;

fn request(function: Function, bound: f64, target: f64) -> Request {
    let interval = Interval::symmetric(bound).unwrap();
    Request::new(function, interval, Target::MaxError(target))
}

#[test]
fn no_plan_of_the_front_beats_another() {
    for function in [Function::Gelu, Function::Sigmoid, Function::Exp] {
        let mut request = request(function, 4.0, 1e-3);
        request.max_depth = 5;
        let front = front(&request).unwrap();
        assert!(front.len() > 5);
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
        let mut request = request(function, bound, target);
        request.max_depth = 5;
        let choice = cheapest(&request).unwrap();
        assert!(choice.max_error <= target);
        // Rigorous for one polynomial, and not far above what is found.
        assert!(choice.error_bound >= choice.max_error);
        assert!(choice.error_bound <= 1.01 * choice.max_error, "{choice:?}");
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
        tail: Some(f64::INFINITY),
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
    let input = Request {
        ends: Ends::Input,
        ..folded.clone()
    };
    for degree in [7, 8, 16, 27] {
        let of = |r: &Request| with_degree(r, Method::Minimax, degree).unwrap().depth;
        // Even but for x/2: an odd degree is the even one below.
        let even = degree - degree % 2;
        let levels = (usize::BITS - usize::leading_zeros(even)) as usize;
        assert_eq!((of(&input), of(&own)), (levels, levels + 1));
        assert_eq!(of(&folded), levels - usize::from(even.is_power_of_two()));
    }
    let unit = Request {
        ends: Ends::Own,
        ..request(Function::Gelu, 1.0, 1e-3)
    };
    assert_eq!(
        cheapest(&unit).unwrap().depth,
        cheapest(&unit).unwrap().plan.depth()
    );
}

/// With few levels one polynomial, with many a composite sign: the front holds both.
#[test]
fn relu_is_a_composite_where_it_must_be_exact() {
    let coarse = cheapest(&request(Function::Relu, 1.0, 0.02)).unwrap();
    assert_eq!(coarse.method, Method::Minimax);
    let fine = cheapest(&request(Function::Relu, 1.0, 1e-3)).unwrap();
    assert_eq!(fine.method, Method::Composite);
    assert!(fine.max_error <= 1e-3 && fine.depth <= DEFAULT_MAX_DEPTH);
}

#[test]
fn the_sign_needs_a_gap() {
    let mut request = request(Function::Sign, 1.0, 1e-3);
    request.max_degree = 15;
    assert!(matches!(front(&request), Err(Error::Singular { .. })));
    request.gap = 0.05;
    let choice = cheapest(&request).unwrap();
    assert!(choice.max_error <= 1e-3, "{}", choice.name);
    for x in [0.05, 0.3, 1.0] {
        assert!((choice.plan.eval(x) - 1.0).abs() <= 1e-3);
        assert!((choice.plan.eval(-x) + 1.0).abs() <= 1e-3);
    }
}

/// Iterations win for reciprocals over wide ranges, and no other method beats them there.
#[test]
fn reciprocals_are_iterated() {
    let interval = Interval::try_new(0.01, 1.0).unwrap();
    let request = Request::new(Function::Reciprocal, interval, Target::MaxError(1e-3));
    let choice = cheapest(&request).unwrap();
    assert_eq!(choice.method, Method::Iterative);
    assert!(choice.max_error <= 1e-3 && choice.depth == 6);
}

/// On [-7, 9] softplus has no symmetry, on [-9, 9] it is even but for x/2.
#[test]
fn a_wider_symmetric_range_saves_products() {
    let interval = Interval::try_new(-7.0, 9.0).unwrap();
    let mut request = Request::new(Function::Softplus, interval, Target::MaxError(1e-3));
    let choice = cheapest(&request).unwrap();
    assert_eq!(choice.plan.interval(), Interval::symmetric(9.0).unwrap());
    assert!(choice.max_error <= 1e-3);
    request.max_depth = 4;
    let own = with_degree(&request, Method::Minimax, 14).unwrap();
    assert!(own.counts.products > choice.counts.products);
}

/// Minimax is nowhere worse than interpolation, and least squares nowhere worse in the mean.
#[test]
fn each_method_is_the_best_in_its_measure() {
    let request = request(Function::Gelu, 6.0, 1e-3);
    for degree in [4, 9, 16, 27] {
        let of = |m| with_degree(&request, m, degree).unwrap();
        let (minimax, least) = (of(Method::Minimax), of(Method::LeastSquares));
        for other in [of(Method::Interpolation), of(Method::Truncation)] {
            assert!(minimax.max_error <= other.max_error * (1.0 + 1e-9));
            assert!(least.mean_error <= other.mean_error * (1.0 + 1e-9));
            assert_eq!(other.counts.products, minimax.counts.products);
        }
    }
    assert!(matches!(
        with_degree(&request, Method::Composite, 7),
        Err(Error::NotSingle { .. })
    ));
}

/// Over [-60, 60] no single polynomial of degree 127 does it.
#[test]
fn wide_ranges_are_extended() {
    let mut request = request(Function::Sigmoid, 150.0, 0.02);
    request.max_depth = 16;
    let choice = cheapest(&request).unwrap();
    assert_eq!(choice.method, Method::Extension, "{}", choice.name);
    request.methods = vec![Method::Minimax];
    match cheapest(&request) {
        Err(Error::Unreachable { .. }) => {}
        Ok(single) => assert!(single.cost > choice.cost),
        other => panic!("{other:?}"),
    }
}

/// Where the density has no mass the error stays bounded, at some cost in the mean.
#[test]
fn tails_are_kept() {
    let mut request = request(Function::Gelu, 8.0, 1.0);
    request.density = Some(Density::normal(-0.5, 0.8).unwrap());
    let of = |tail: Option<f64>| {
        let request = Request {
            tail,
            ..request.clone()
        };
        with_degree(&request, Method::LeastSquares, 12).unwrap()
    };
    let (kept, free, tight) = (of(None), of(Some(f64::INFINITY)), of(Some(0.1)));
    assert!(
        kept.max_error <= 0.41 && free.max_error > 10.0,
        "{}",
        kept.max_error
    );
    assert!(tight.max_error <= 0.1);
    assert!(free.mean_error < kept.mean_error && kept.mean_error < tight.mean_error);
    let minimax = with_degree(&request, Method::Minimax, 12).unwrap();
    assert!(kept.mean_error < minimax.mean_error / 2.0);
}
