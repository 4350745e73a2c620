"""The reference network in the hands of others: emlearn, nncc, ONNX Runtime and straightforward C."""

import contextlib
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from reference_net import ReferenceNet


def expf_weights(net: ReferenceNet) -> str:
    """Return `weights.h` for `c/expf_net.c`: every literal is exactly the float32."""
    lines = []
    for layer, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        rows = ",\n    ".join("{" + _floats(row) + "}" for row in weight)
        outputs, inputs = weight.shape
        lines.append(f"static const float weight_{layer}[{outputs}][{inputs}] = {{\n    {rows}}};")
        lines.append(f"static const float bias_{layer}[{outputs}] = {{{_floats(bias)}}};")
    return "\n".join(lines) + "\n"


def _floats(values: np.ndarray) -> str:
    return ", ".join(np.format_float_scientific(value, unique=True) + "f" for value in values)


def emlearn_source(net: ReferenceNet) -> str:
    """Return emlearn's C for an equal scikit-learn network, and `run_scalar` around it.

    Method `loadable` is the only one: emlearn 0.23.2 refuses `inline` for regressors.
    """
    from sklearn.neural_network import MLPRegressor

    emlearn = _import_emlearn()

    model = MLPRegressor(hidden_layer_sizes=(4, 4), activation="logistic", max_iter=1)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        warnings.simplefilter("ignore")
        model.fit(np.zeros((10, 9)), np.arange(10))
        model.coefs_ = [weight.T.astype(np.float64) for weight in net.weights]
        model.intercepts_ = [bias.astype(np.float64) for bias in net.biases]
        converted = emlearn.convert(model, method="loadable", return_type="regressor")
        code = converted.save(name="network", inference=["loadable"])
    return code + "\nEXPORT float run_scalar(const float *x) { return network_regress1(x, 9); }\n"


def emlearn_includes() -> Path:
    """Return the folder of emlearn's headers."""
    return Path(_import_emlearn().__file__).parent


def _import_emlearn() -> Any:
    with np.errstate():  # it makes numpy raise floating-point errors from then on
        import emlearn
    return emlearn


def nncc_source(net: ReferenceNet) -> str:
    """Return nncc's C for an equal torch network, and `run_scalar` around it."""
    import nncc
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(9, 4), nn.Sigmoid(), nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 1))
    with torch.no_grad():
        for module, weight, bias in zip(model[::2], net.weights, net.biases, strict=True):
            module.weight.copy_(torch.from_numpy(weight))
            module.bias.copy_(torch.from_numpy(bias))
    code = nncc.compile(model, torch.zeros(1, 9), name="network")
    call = "EXPORT float run_scalar(const float *x) { float y; network_inference(x, &y); return y; }"
    return f"#define NNCC_IMPLEMENTATION\n{code}\n{call}\n"


def onnx_model(net: ReferenceNet) -> bytes:
    """Return the network as an ONNX model of Gemm and Sigmoid nodes, any batch size: `x` (n, 9) -> `y` (n, 1)."""
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, constants, value = [], [], "x"
    last = len(net.weights) - 1
    for layer, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        constants.append(numpy_helper.from_array(weight, f"weight_{layer}"))
        constants.append(numpy_helper.from_array(bias, f"bias_{layer}"))
        result = "y" if layer == last else f"z_{layer}"
        nodes.append(helper.make_node("Gemm", [value, f"weight_{layer}", f"bias_{layer}"], [result], transB=1))
        value = result
        if layer < last:
            value = f"a_{layer}"
            nodes.append(helper.make_node("Sigmoid", [result], [value]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]) for name, width in (("x", 9), ("y", 1))
    ]
    graph = helper.make_graph(nodes, "reference_net", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    return bytes(model.SerializeToString())


class OnnxRuntime:
    """A bound session, one thread: `run()` reads `x` (n, 9) and writes `y` (n, 1), both float32, without copies."""

    def __init__(self, net: ReferenceNet, x: np.ndarray) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(onnx_model(net), options, providers=["CPUExecutionProvider"])
        self._x, self.y = np.ascontiguousarray(x, np.float32), np.empty((len(x), 1), np.float32)
        self._binding = self._session.io_binding()
        self._binding.bind_input("x", "cpu", 0, np.float32, self._x.shape, self._x.ctypes.data)
        self._binding.bind_output("y", "cpu", 0, np.float32, self.y.shape, self.y.ctypes.data)

    def run(self) -> None:
        """Evaluate the whole batch."""
        self._session.run_with_iobinding(self._binding)
