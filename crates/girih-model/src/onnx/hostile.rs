//! Models that only an attacker or a broken exporter writes.

use super::import::import;
use crate::error::ModelError;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType, type_proto,
};

fn info(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |d: &i64| Dimension {
        value: Some(dimension::Value::DimValue(*d)),
        ..Default::default()
    };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto {
            dim: dims.iter().map(dim).collect(),
        }),
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        name: format!("make_{output}"),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

fn ints(node: NodeProto, name: &str, values: &[i64]) -> NodeProto {
    let attribute = AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..Default::default()
    };
    NodeProto {
        attribute: [node.attribute.clone(), vec![attribute]].concat(),
        ..node
    }
}

fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        float_data: values.to_vec(),
        ..Default::default()
    }
}

fn int64(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64 as i32,
        int64_data: values.to_vec(),
        ..Default::default()
    }
}

fn model(dims: &[i64], nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> ModelProto {
    ModelProto {
        opset_import: vec![OperatorSetIdProto {
            version: 17,
            ..Default::default()
        }],
        graph: Some(GraphProto {
            node: nodes,
            initializer,
            input: vec![info("x", dims)],
            output: vec![info("y", &[])],
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[track_caller]
fn fails(model: &ModelProto, says: &str) {
    let error = import(model).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(says), "{text:?} lacks {says:?}");
}

#[test]
fn nodes_in_any_order_are_sorted() {
    let g = import(&model(
        &[1, 3],
        vec![
            node("Relu", &["t"], "y"),
            node("Identity", &["x"], "t"),
            node("Softmax", &["x"], "unused"),
        ],
        vec![],
    ))
    .unwrap();
    let ops: Vec<&str> = g.nodes.iter().map(|n| n.op.name()).collect();
    assert_eq!(ops, ["Input", "Identity", "Relu"]);
}

#[test]
fn cycles_and_missing_values_are_named() {
    let cycle = model(
        &[1, 3],
        vec![
            node("Add", &["x", "b"], "a"),
            node("Relu", &["a"], "b"),
            node("Relu", &["b"], "y"),
        ],
        vec![],
    );
    match import(&cycle).unwrap_err() {
        ModelError::Cyclic { nodes } => assert_eq!(nodes, ["make_a", "make_b", "make_y"]),
        other => panic!("{other}"),
    }
    let own = model(&[1, 3], vec![node("Add", &["x", "y"], "y")], vec![]);
    assert!(matches!(import(&own), Err(ModelError::Cyclic { .. })));
    let dangling = model(&[1, 3], vec![node("Add", &["x", "ghost"], "y")], vec![]);
    assert_eq!(
        import(&dangling).unwrap_err(),
        ModelError::Dangling {
            node: "make_y".into(),
            input: "ghost".into()
        }
    );
    fails(&model(&[1, 3], vec![], vec![]), "`y`");
    fails(
        &model(
            &[1, 3],
            vec![node("Relu", &["x"], "y"), node("Tanh", &["x"], "y")],
            vec![],
        ),
        "produced twice",
    );
    fails(
        &model(&[1, 3], vec![node("Relu", &["x"], "x")], vec![]),
        "produced twice",
    );
    fails(
        &model(&[1, 3], vec![node("Relu", &[], "y")], vec![]),
        "lacks operand 0",
    );
    let constant = model(
        &[1, 3],
        vec![node("Identity", &["w"], "y")],
        vec![floats("w", &[1], &[1.0])],
    );
    fails(&constant, "does not depend on the input");
}

#[test]
fn a_long_chain_does_not_exhaust_the_stack() {
    let n = 50_000;
    let mut nodes: Vec<NodeProto> = (0..n)
        .map(|i| {
            let from = if i == 0 {
                "x".into()
            } else {
                format!("v{}", i - 1)
            };
            node("Relu", &[&from], &format!("v{i}"))
        })
        .collect();
    nodes.push(node("Relu", &[&format!("v{}", n - 1)], "y"));
    nodes.reverse();
    assert_eq!(
        import(&model(&[1, 2], nodes, vec![])).unwrap().nodes.len(),
        n + 2
    );
}

#[test]
fn inputs_must_be_one_tensor_of_known_size() {
    let relu = || vec![node("Relu", &["x"], "y")];
    fails(&model(&[1], relu(), vec![]), "rank 1");
    fails(&model(&[], relu(), vec![]), "rank 0");
    fails(&model(&[1, 0], relu(), vec![]), "dimension 1 is 0");
    fails(&model(&[1, -3], relu(), vec![]), "dimension 1 is -3");
    fails(&model(&[1, 1 << 40], relu(), vec![]), "limit of 268435456");
    fails(
        &model(&[1, i64::MAX, i64::MAX], relu(), vec![]),
        "limit of 268435456",
    );
    let mut two = model(&[1, 3], vec![node("Add", &["x", "z"], "y")], vec![]);
    two.graph.as_mut().unwrap().input.push(info("z", &[1, 3]));
    fails(&two, "2 inputs");
    let mut none = model(&[1, 3], relu(), vec![]);
    none.graph.as_mut().unwrap().input.clear();
    fails(&none, "0 inputs");
    let mut untyped = model(&[1, 3], relu(), vec![]);
    untyped.graph.as_mut().unwrap().input[0].r#type = None;
    fails(&untyped, "no tensor");
    for batch in [-1, 0, 1, 16] {
        assert_eq!(
            import(&model(&[batch, 3], relu(), vec![]))
                .unwrap()
                .input_shape(),
            [3]
        );
    }
}

#[test]
fn operator_sets_outside_the_known_ones_are_refused() {
    let mut m = model(&[1, 3], vec![node("Relu", &["x"], "y")], vec![]);
    for version in [0, 4, 27, i64::MAX, i64::MIN] {
        m.opset_import[0].version = version;
        fails(&m, "operator set");
    }
    m.opset_import.clear();
    fails(&m, "no operator set");
    m.graph = None;
    fails(&m, "no graph");
}

#[test]
fn weights_are_checked() {
    let add = |w: TensorProto| model(&[1, 2], vec![node("Add", &["x", "w"], "y")], vec![w]);
    fails(
        &add(floats("w", &[2], &[1.0, f32::INFINITY])),
        "`w` holds inf at index [1]",
    );
    fails(
        &add(floats("w", &[2], &[1.0, f32::NAN])),
        "`w` holds NaN at index [1]",
    );
    fails(&add(floats("w", &[2], &[1.0])), "stores 1 values, not 2");
    fails(&add(floats("w", &[1 << 50], &[1.0])), "limit of");
    fails(&add(floats("w", &[0], &[])), "does not broadcast");
    let mut twice = add(floats("w", &[2], &[1.0, 2.0]));
    twice
        .graph
        .as_mut()
        .unwrap()
        .initializer
        .push(floats("w", &[2], &[3.0, 4.0]));
    fails(&twice, "two initialisers");
    let mut outside = floats("w", &[2], &[]);
    outside.data_location = Some(1);
    fails(&add(outside), "another file");
    // Unused tensors are not even looked at.
    let mut unused = add(floats("w", &[2], &[1.0, 2.0]));
    unused
        .graph
        .as_mut()
        .unwrap()
        .initializer
        .push(floats("v", &[1 << 50], &[]));
    assert!(import(&unused).is_ok());
    // Overflow of a folded constant.
    let folded = model(
        &[1, 1],
        vec![
            node("Div", &["one", "zero"], "w"),
            node("Add", &["x", "w"], "y"),
        ],
        vec![floats("one", &[1], &[1.0]), floats("zero", &[1], &[0.0])],
    );
    fails(&folded, "`make_w` holds inf");
    let overflow = model(
        &[1, 1],
        vec![
            node("Mul", &["big", "big"], "s"),
            node("Reshape", &["x", "s"], "y"),
        ],
        vec![int64("big", &[i64::MAX])],
    );
    fails(&overflow, "integer overflow");
}

#[test]
fn constants_that_grow_draw_on_a_budget() {
    let of_shape = |dims: &[i64]| {
        model(
            &[1, 1],
            vec![
                node("ConstantOfShape", &["s"], "w"),
                node("Add", &["x", "w"], "y"),
            ],
            vec![int64("s", dims)],
        )
    };
    fails(&of_shape(&[1 << 40]), "limit of 67108864");
    fails(&of_shape(&[1 << 40, 1 << 40]), "limit of 67108864");
    fails(&of_shape(&[i64::MAX, 0]), "shape");
    fails(&of_shape(&[-1]), "shape");
    let column: Vec<f32> = vec![0.0; 10_000];
    let outer = model(
        &[1, 1],
        vec![node("Add", &["a", "b"], "w"), node("Add", &["x", "w"], "y")],
        vec![
            floats("a", &[10_000, 1], &column),
            floats("b", &[1, 10_000], &column),
        ],
    );
    fails(&outer, "limit of 67108864");
    // Two small constants cannot be blown up to a large tensor over and over either.
    let mut nodes: Vec<NodeProto> = (0..40)
        .map(|i| {
            let from = if i == 0 {
                "x".into()
            } else {
                format!("v{}", i - 1)
            };
            node("Add", &[&from, "w"], &format!("v{i}"))
        })
        .collect();
    nodes.push(node("Relu", &["v39"], "y"));
    fails(
        &model(
            &[1, 1000, 1000],
            nodes,
            vec![floats("w", &[1000], &column[..1000])],
        ),
        "limit of 67108864",
    );
}

#[test]
fn extreme_attributes_are_errors() {
    let pool = |kernel: &[i64], strides: &[i64], pads: &[i64]| {
        let n = ints(node("AveragePool", &["x"], "y"), "kernel_shape", kernel);
        let n = ints(ints(n, "strides", strides), "pads", pads);
        model(&[1, 1, 4, 4], vec![n], vec![])
    };
    assert!(import(&pool(&[2, 2], &[2, 2], &[0; 4])).is_ok());
    let big = i64::MAX;
    for m in [
        pool(&[0, 2], &[1, 1], &[0; 4]),
        pool(&[2, -2], &[1, 1], &[0; 4]),
        pool(&[2, 2], &[0, 1], &[0; 4]),
        pool(&[2, 2], &[1, 1], &[-1, 0, 0, 0]),
        pool(&[2, 2], &[1, 1], &[0; 3]),
        pool(&[2], &[1, 1], &[0; 4]),
        pool(&[], &[], &[]),
        pool(&[big, big], &[big, big], &[big; 4]),
        pool(&[big, big], &[1, 1], &[big - 1; 4]),
        pool(
            &[1 << 40, 1 << 40],
            &[1 << 39, 1 << 39],
            &[(1 << 40) - 1; 4],
        ),
        pool(&[2, 2], &[1, 1], &[1 << 27, 0, 1 << 27, 1]),
    ] {
        assert!(import(&m).is_err(), "{:?}", m.graph.map(|g| g.node));
    }
    for perm in [
        &[0, 1][..],
        &[0, 1, 1, 2],
        &[0, 1, 2, big],
        &[0, 1, 2, i64::MIN],
    ] {
        let n = ints(node("Transpose", &["x"], "y"), "perm", perm);
        fails(&model(&[1, 2, 3, 4], vec![n], vec![]), "no permutation");
    }
    for shape in [
        &[0, 0, 0, 0, 0][..],
        &[0, -1, -1],
        &[0, big, big, 4],
        &[-1, 7],
        &[i64::MIN],
        &[],
    ] {
        let m = model(
            &[1, 2, 3],
            vec![node("Reshape", &["x", "s"], "y")],
            vec![int64("s", shape)],
        );
        assert!(import(&m).is_err(), "{shape:?}");
    }
    let mut wrong_type = ints(node("Conv", &["x", "w"], "y"), "group", &[1]);
    wrong_type.attribute.push(AttributeProto {
        name: "auto_pad".into(),
        r#type: AttributeType::String as i32,
        s: vec![0xff, 0xfe],
        ..Default::default()
    });
    let w = floats("w", &[1, 1, 1, 1], &[1.0]);
    fails(
        &model(&[1, 1, 2, 2], vec![wrong_type], vec![w]),
        "not of type INT",
    );
}

#[test]
fn windows_with_absurd_attributes_are_refused() {
    let conv = |op: &str, name: &str, values: &[i64], says: &str| {
        let w = floats("w", &[2, 2, 1, 1], &[1.0; 4]);
        let node = ints(node(op, &["x", "w"], "y"), name, values);
        fails(&model(&[1, 2, 3, 3], vec![node], vec![w]), says);
    };
    for op in ["Conv", "ConvTranspose"] {
        conv(op, "dilations", &[0, 1], "dilations [0, 1]");
        conv(op, "dilations", &[2], "not two-dimensional");
        conv(op, "strides", &[1, -1], "strides [1, -1]");
        conv(op, "strides", &[0, 1], "strides [0, 1]");
        conv(op, "pads", &[0, 0, 0], "four paddings");
        conv(op, "pads", &[i64::MAX; 4], "operand [2, 3, 3]");
    }
    conv(
        "ConvTranspose",
        "output_padding",
        &[-1, 0],
        "output_padding [-1, 0]",
    );
    conv(
        "ConvTranspose",
        "output_padding",
        &[1, 0],
        "[1, 0] extra lines",
    );
    conv(
        "ConvTranspose",
        "output_shape",
        &[4, 3],
        "output_shape [4, 3]",
    );
    conv(
        "ConvTranspose",
        "strides",
        &[i64::MAX; 2],
        "operand [2, 3, 3]",
    );
}

#[test]
fn the_shape_asked_of_a_transposed_convolution_decides_its_padding() {
    // The formula of the operator: what is over is cut off, an odd line before the start.
    let w = floats("w", &[1, 1, 3, 3], &[1.0; 9]);
    let wanted = ints(node("ConvTranspose", &["x", "w"], "y"), "strides", &[2, 2]);
    let wanted = ints(wanted, "output_shape", &[8, 9]);
    let graph = import(&model(&[1, 1, 4, 5], vec![wanted], vec![w])).unwrap();
    let node = graph.nodes.last().unwrap();
    assert_eq!(node.shape, [1, 8, 9]);
    let crate::Op::ConvTranspose2d { pad, .. } = &node.op else {
        panic!("{}", node.op);
    };
    assert_eq!(*pad, [1, 1, 0, 1]);
}
