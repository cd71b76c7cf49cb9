"""The parts of a compiled graph that quantisation may have to leave alone, found by how the networks are built.

A graph's own names are numbers; what the parts have in common over all backbones and options is their place.
"""

from collections.abc import Iterable

LAYERS = ("Convolution", "GroupConvolution")


def always_float(graph, module: str) -> set[str]:
    """Return the names of what is never quantised.

    That is all before the first convolution, every mean, and in modules with masks what follows the classifier and
    the sums of injection's border cases.

    Args:
        graph: ``openvino.Model`` of a module, with unique names.
        module: Its name.
    """
    layers = _of_types(graph, LAYERS)
    ops = [*_before(layers[0].input_value(0).get_node()), *_of_types(graph, ("ReduceMean",))]
    if module != "b":
        ops += [op for op in _of_types(graph, ("MatMul",)) if not _is_linear_layer(op)]
        ops += _after(layers[-1])
    return _names(op for op in ops if op.get_type_name() not in ("Parameter", "Constant", "Result"))


def parts_of(graph) -> dict[str, set[str]]:
    """Return the names of the operations of each sensitive part; none where the network has no such part."""
    layers = _of_types(graph, LAYERS)
    # the last sigmoid makes the probabilities, any other one an attention gate's weights
    gates = [op for op in _of_types(graph, ("Sigmoid",)) if not _names(layers[-1:]) & _names(_before(op))]
    parts = {
        "first convolution": layers[:1],
        "classifier": layers[-1:],
        "last convolutions": layers[-len(layers) // 4 :],
        "depthwise convolutions": _of_types(graph, ("GroupConvolution",)),
        "attention gate": [op for gate in gates for op in (*_consumers(gate), *_back_through(gate, 2))],
        "latent": [op for op in _of_types(graph, ("MatMul",)) if _is_linear_layer(op)],
    }
    return {part: _names(ops) for part, ops in parts.items()}


def _of_types(graph, types: tuple[str, ...]) -> list:
    """In the order of computation, so that the first layer is the backbone's first and the last the classifier."""
    return [op for op in graph.get_ordered_ops() if op.get_type_name() in types]


def _is_linear_layer(product) -> bool:
    """Whether a matrix product gives one row for the image, as the head's and injection's layers do."""
    return list(product.get_output_shape(0))[:-1] == [1]


def _names(ops: Iterable) -> set[str]:
    """Names tell operations apart; ``==`` would make an operation of its own out of two."""
    return {op.get_friendly_name() for op in ops}


def _producers(op) -> list:
    return [value.get_node() for value in op.input_values()]


def _consumers(op) -> list:
    return [target.get_node() for target in op.output(0).get_target_inputs()]


def _before(op) -> list:
    """The operation and all it is computed from."""
    return _reached(op, _producers)


def _after(op) -> list:
    """All that is computed from the operation, without itself."""
    return _reached(op, _consumers)[1:]


def _reached(start, neighbours) -> list:
    found, waiting = {}, [start]
    while waiting:
        op = waiting.pop()
        if op.get_friendly_name() not in found:
            found[op.get_friendly_name()] = op
            waiting += neighbours(op)
    return list(found.values())


def _back_through(op, num_layers: int) -> list:
    """The operation and what it is computed from, back to the `num_layers`-th convolution and with it."""
    if op.get_type_name() == "Constant":
        return []
    num_layers -= op.get_type_name() in LAYERS
    return [op] + [
        before for producer in _producers(op) for before in _back_through(producer, num_layers) if num_layers
    ]
