"""How the scores of a classifier were calibrated: the temperature in its graph.

Temperature scaling (Guo et al. 2017, "On calibration of modern neural networks") divides the network's outputs by one
number, fitted after the training, before the softmax. The probabilities of the best label are then as often right as
they say, and the order of the labels stays.
"""

from __future__ import annotations

from service.bundle.onnx_nodes import GraphNodes, Node

_DECIMALS = 6


def temperature_of(graph: GraphNodes, output: str) -> float | None:
    """What a graph divides the outputs of its network by before the softmax that gives the probabilities.

    Args:
        graph: the nodes of the graph.
        output: the name of its probabilities.

    Returns:
        1 for a plain softmax; None where the probabilities are no softmax, or its input is not divided by one number.
    """
    makers = {name: node for node in graph.nodes for name in node.outputs}
    softmax = makers.get(output)
    if softmax is None or softmax.operator != "Softmax":
        return None
    scaled = makers.get(softmax.inputs[0])
    if scaled is None or scaled.operator not in ("Div", "Mul"):
        return 1.0
    factor = _factor(scaled, graph.scalars)
    return None if factor is None else round(factor if scaled.operator == "Div" else 1 / factor, _DECIMALS)


def _factor(node: Node, scalars: dict[str, float]) -> float | None:
    """The one number that a node divides or multiplies by; None if it is something else, or not above 0."""
    values = [scalars[name] for name in node.weights if name in scalars]
    return values[0] if len(node.weights) == len(values) == 1 and values[0] > 0 else None
