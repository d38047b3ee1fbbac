"""Checkpoints as Chemprop 2.3.1 lays them out, made without it, and a plain reference for what they predict."""

from __future__ import annotations

import sys
import types
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from rdkit import Chem

from cinchona.datasets.chemprop_features import CHEMPROP_ATOM_DIM, CHEMPROP_BOND_DIM, chemprop_features
from cinchona.datasets.graphcodes import codes

CLASSES = {
    "chemprop.nn.message_passing.base": ("BondMessagePassing", "AtomMessagePassing"),
    "chemprop.nn.agg": ("NormAggregation", "MeanAggregation", "SumAggregation", "AttentiveAggregation"),
    "chemprop.nn.predictors": ("RegressionFFN", "BinaryClassificationFFN", "MveFFN", "MulticlassClassificationFFN"),
    "chemprop.nn.transforms": ("GraphTransform",),
    "lightning.fabric.utilities.data": ("AttributeDict",),
}
HIDDEN = 12


@contextmanager
def pretended_chemprop():
    """Modules under the names that checkpoints refer to, as long as one is written."""
    made = {}
    for module, names in CLASSES.items():
        parts = module.split(".")
        for k in range(1, len(parts) + 1):
            made.setdefault(".".join(parts[:k]), types.ModuleType(".".join(parts[:k])))
        for name in names:
            base = (dict,) if name == "AttributeDict" else (object,)
            setattr(made[module], name, type(name, base, {"__module__": module}))
    before = {name: sys.modules.get(name) for name in made}
    sys.modules.update(made)
    try:
        yield lambda module, name: getattr(made[module], name)
    finally:
        for name, module in before.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})


def random_weights(seed=0, *, targets=1, layers=1, hidden=HIDDEN, extra=0, bias=False, batch_norm=False, scaled=True):
    """A state dict under Chemprop's names."""
    rng = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=rng) * 0.3

    atom, bond = CHEMPROP_ATOM_DIM, CHEMPROP_BOND_DIM
    found = {
        "message_passing.W_i.weight": draw(hidden, atom + bond), "message_passing.W_h.weight": draw(hidden, hidden),
        "message_passing.W_o.weight": draw(hidden, atom + hidden), "message_passing.W_o.bias": draw(hidden),
    }  # fmt: skip
    if bias:
        found |= {"message_passing.W_i.bias": draw(hidden), "message_passing.W_h.bias": draw(hidden)}
    if batch_norm:
        found |= {"bn.weight": draw(hidden), "bn.bias": draw(hidden), "bn.running_mean": draw(hidden),
                  "bn.running_var": draw(hidden).abs() + 0.1, "bn.num_batches_tracked": torch.tensor(7)}  # fmt: skip
    width = hidden + extra
    for k in range(layers + 1):
        out = targets if k == layers else hidden
        name = f"predictor.ffn.{k}.{0 if k == 0 else 2}"
        found |= {f"{name}.weight": draw(out, width), f"{name}.bias": draw(out)}
        width = out
    if extra:
        found |= {"X_d_transform.mean": draw(1, extra), "X_d_transform.scale": draw(1, extra).abs() + 0.5}
    if scaled:
        found |= {
            "predictor.output_transform.mean": draw(1, targets),
            "predictor.output_transform.scale": draw(1, targets).abs() + 0.5,
        }
    return found | {
        "predictor.criterion.task_weights": torch.ones(1, targets),
        "metrics.0.task_weights": torch.ones(1, 1),
    }


def write_checkpoint(path: Path, weights=None, *, columns=("y",), encoder=None, predictor=None, aggregation="NormAggregation",
                     kind="RegressionFFN", encoder_class="BondMessagePassing", norm=100.0, change=None) -> Path:  # fmt: skip
    """Write a checkpoint; ``change`` alters the content before it is saved."""
    with pretended_chemprop() as named:
        attributes = named("lightning.fabric.utilities.data", "AttributeDict")
        content = {
            "hyper_parameters": attributes(
                batch_norm=False,
                metrics=None,
                message_passing=attributes({
                    "d_v": CHEMPROP_ATOM_DIM, "d_e": CHEMPROP_BOND_DIM, "d_h": HIDDEN, "bias": False, "depth": 3,
                    "undirected": False, "d_vd": None, "activation": torch.nn.ReLU(),
                    "graph_transform": named("chemprop.nn.transforms", "GraphTransform")(),
                    "cls": named("chemprop.nn.message_passing.base", encoder_class), **(encoder or {}),
                }),
                agg=attributes(dim=0, norm=norm, cls=named("chemprop.nn.agg", aggregation)),
                predictor=attributes({
                    "n_tasks": len(columns), "activation": "relu", "cls": named("chemprop.nn.predictors", kind),
                    **(predictor or {}),
                }),
            ),
            "state_dict": random_weights(targets=len(columns)) if weights is None else weights,
            "output_columns": list(columns),
        }  # fmt: skip
        if change is not None:
            change(content)
        torch.save(content, path)
    return path


def reference(weights, smiles, *, depth=3, aggregation="norm", norm=100.0, classes=False, extra=None) -> np.ndarray:
    """What Chemprop computes, one molecule at a time and by its formulas, float64, shape (n, t)."""
    w = {name: tensor.double().numpy() for name, tensor in weights.items()}
    return np.array([_predicted(w, text, depth, (aggregation, norm), classes, None if extra is None else extra[k])
                     for k, text in enumerate(smiles)])  # fmt: skip


def _predicted(w, text, depth, readout, classes, extra):
    graph = codes(Chem.MolFromSmiles(text))
    atoms, bonds = (rows.astype(float) for rows in chemprop_features(graph))
    directed = [(u, v, e) for e, (u, v) in enumerate(graph.ends.tolist())]
    directed += [(v, u, e) for u, v, e in directed]
    zero = np.zeros(len(w["message_passing.W_h.weight"]))
    b_i, b_h = w.get("message_passing.W_i.bias", zero), w.get("message_passing.W_h.bias", zero)
    first = {d: w["message_passing.W_i.weight"] @ np.concatenate([atoms[d[0]], bonds[d[2]]]) + b_i for d in directed}
    state = {d: np.maximum(h, 0) for d, h in first.items()}
    for _ in range(depth - 1):
        state = {
            d: np.maximum(
                first[d] + b_h + w["message_passing.W_h.weight"]
                @ sum((state[s] for s in directed if s[1] == d[0] and s[0] != d[1]), zero), 0)
            for d in directed
        }  # fmt: skip
    rows = []
    for v in range(len(atoms)):
        into = sum((state[d] for d in directed if d[1] == v), zero)
        rows.append(
            np.maximum(
                w["message_passing.W_o.weight"] @ np.concatenate([atoms[v], into]) + w["message_passing.W_o.bias"], 0
            )
        )
    vector = np.sum(rows, axis=0) / {"sum": 1, "mean": len(rows), "norm": readout[1]}[readout[0]]
    if "bn.weight" in w:
        vector = (vector - w["bn.running_mean"]) / np.sqrt(w["bn.running_var"] + 1e-5) * w["bn.weight"] + w["bn.bias"]
    if extra is not None:
        vector = np.concatenate([vector, (extra - w["X_d_transform.mean"][0]) / w["X_d_transform.scale"][0]])
    layers = sorted(
        name.removesuffix(".weight") for name in w if name.startswith("predictor.ffn") and name.endswith("weight")
    )
    for k, layer in enumerate(layers):
        vector = w[f"{layer}.weight"] @ (np.maximum(vector, 0) if k else vector) + w[f"{layer}.bias"]
    if "predictor.output_transform.mean" in w:
        vector = vector * w["predictor.output_transform.scale"][0] + w["predictor.output_transform.mean"][0]
    return 1 / (1 + np.exp(-vector)) if classes else vector
