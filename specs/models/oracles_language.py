"""What the layers of language models compute: those of the published code with the old weights, KerasHub's with the new ones.

Google's and OpenAI's code comes from the packages `bert-tensorflow` and `gpt-2-simple`, which carry it nearly unchanged.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from migspec.testing import Case

_BATCH, _STEPS = 2, 5
_NUMBER = 0.3


def bert_layer(case: Case) -> tuple[Any, Any]:
    """`transformer_model` of Google's modeling.py with one layer, and a TransformerEncoder."""
    import keras_hub
    import tensorflow

    heads, width, inner = (case.sizes[name] for name in ("heads", "width", "inner"))
    x = _inputs(case, width)
    with tensorflow.Graph().as_default():
        outputs = bert_modules().modeling.transformer_model(
            tensorflow.constant(x),
            hidden_size=width,
            num_hidden_layers=1,
            num_attention_heads=heads,
            intermediate_size=inner,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        old = run_in_session(outputs, {f"layer_0/{name}": value for name, value in case.source.items()})
    new = keras_hub.layers.TransformerEncoder(inner, heads, activation=_gelu, layer_norm_epsilon=1e-12)
    return old, _filled(new, case.target, x)(x)


def gpt2_layer(case: Case) -> tuple[Any, Any]:
    """`block` of OpenAI's model.py, and a TransformerDecoder that normalises first."""
    import keras_hub
    import tensorflow

    heads, width, inner = (case.sizes[name] for name in ("heads", "width", "inner"))
    x = _inputs(case, width)
    model = gpt2_module()
    with tensorflow.Graph().as_default():
        outputs, _ = model.block(tensorflow.constant(x), "h0", past=None, hparams=model.HParams(1, _STEPS, width, heads, 1))
        old = run_in_session(outputs, {f"h0/{name}": value for name, value in case.source.items()})
    new = keras_hub.layers.TransformerDecoder(inner, heads, activation=_gelu, layer_norm_epsilon=1e-5, normalize_first=True)
    return old, _filled(new, case.target, x)(x)


def llama_layer(case: Case) -> tuple[Any, Any]:
    """LlamaDecoderLayer and LlamaTransformerDecoder; without the `mlp` the layers of Mixtral, with experts of one number."""
    return _llama(case) if "mlp.down_proj.weight" in case.source else _mixtral(case)


def _llama(case: Case) -> tuple[Any, Any]:
    from keras import ops
    from keras_hub.src.models.llama.llama_decoder import LlamaTransformerDecoder
    from transformers import LlamaConfig
    from transformers.models.llama import modeling_llama

    sizes = case.sizes
    x = _inputs(case, sizes["width"])
    config = LlamaConfig(**_configured(sizes), intermediate_size=sizes["inner"])
    old = modeling_llama.LlamaDecoderLayer(config, 0)
    new = LlamaTransformerDecoder(
        sizes["inner"], sizes["heads"], sizes["key_value_heads"], activation=ops.silu, layer_norm_epsilon=1e-6
    )
    rotary = modeling_llama.LlamaRotaryEmbedding(config)
    return _decoded(old, rotary, case.source, x), _filled(new, case.target, x)(x)


def _mixtral(case: Case) -> tuple[Any, Any]:
    """All weights of the experts are one number, so that they are the same however they are laid out."""
    from keras import ops
    from keras_hub.src.models.mixtral.mixtral_decoder import MixtralTransformerDecoder
    from transformers import MixtralConfig
    from transformers.models.mixtral import modeling_mixtral

    sizes = case.sizes
    x = _inputs(case, sizes["width"])
    config = MixtralConfig(**_configured(sizes), intermediate_size=3, num_local_experts=2, num_experts_per_tok=2)
    old = modeling_mixtral.MixtralDecoderLayer(config, 0)
    new = MixtralTransformerDecoder(
        3, sizes["heads"], sizes["key_value_heads"], 2, 2, activation=ops.silu, layer_norm_epsilon=1e-6
    )
    new.build(x.shape)
    old_block = {name: one for name, one in old.state_dict().items() if name.startswith("mlp.")}
    new_block = {name: one for name, one in _variables(new).items() if "sparse_moe_block" in name}
    old_values, new_values = (
        {name: numpy.full(tuple(one.shape), _NUMBER, "float32") for name, one in block.items()}
        for block in (old_block, new_block)
    )
    rotary = modeling_mixtral.MixtralRotaryEmbedding(config)
    return _decoded(old, rotary, {**case.source, **old_values}, x), _filled(new, {**case.target, **new_values}, x)(x)


def _configured(sizes: Mapping[str, int]) -> dict[str, Any]:
    return {
        "hidden_size": sizes["width"],
        "num_attention_heads": sizes["heads"],
        "num_key_value_heads": sizes["key_value_heads"],
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "rms_norm_eps": 1e-6,
        "attn_implementation": "eager",
        "experts_implementation": "eager",
    }


def _decoded(layer: Any, rotary: Any, weights: Mapping[str, numpy.ndarray], x: numpy.ndarray) -> numpy.ndarray:
    """A decoder layer of Hugging Face with these weights, each position seeing those before it."""
    import torch

    layer.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()}, strict=True)
    layer.eval()
    inputs = torch.from_numpy(x)
    mask = torch.full((_STEPS, _STEPS), -1e9).triu(1)[None, None]
    with torch.no_grad():
        turns = rotary(inputs, torch.arange(_STEPS)[None])
        outputs = layer(inputs, attention_mask=mask, position_embeddings=turns)
    return numpy.asarray(outputs)


def _inputs(case: Case, width: int) -> numpy.ndarray:
    return case.random.uniform(-1, 1, (_BATCH, _STEPS, width)).astype("float32")


def _gelu(x: Any) -> Any:
    """GELU by tanh, as KerasHub's BertBackbone and GPT2Backbone have it."""
    import keras

    return keras.activations.gelu(x, approximate=True)


def _filled(layer: Any, values: Mapping[str, numpy.ndarray], x: numpy.ndarray) -> Callable[..., Any]:
    """A layer of KerasHub with these values in variables of exactly these names."""
    if not layer.built:
        layer.build(x.shape)
    variables = _variables(layer)
    assert set(variables) == set(values), sorted(set(variables) ^ set(values))
    for name, value in values.items():
        variables[name].assign(value)
    return functools.partial(layer, training=False)


def _variables(layer: Any) -> dict[str, Any]:
    """The weights of a layer by their paths below it."""
    return {variable.path.removeprefix(f"{layer.name}/"): variable for variable in layer.weights}


def run_in_session(outputs: Any, values: Mapping[str, numpy.ndarray]) -> Any:
    """What TensorFlow 1 computes in the graph of `outputs` with these values in its variables, which have exactly these names."""
    from tensorflow.compat import v1

    variables = {variable.op.name: variable for variable in v1.global_variables()}
    assert set(variables) == set(values), sorted(set(variables) ^ set(values))
    with v1.Session() as session:
        for name, value in values.items():
            initializer = variables[name].initializer
            session.run(initializer, {initializer.inputs[1]: value})
        return session.run(outputs)


@functools.cache
def gpt2_module() -> types.ModuleType:
    """OpenAI's src/model.py, alone: importing its package would turn eager execution off for the whole process."""
    package = importlib.util.find_spec("gpt_2_simple")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'gpt_2_simple'")
    path = Path(package.submodule_search_locations[0]) / "src" / "model.py"
    spec = importlib.util.spec_from_file_location("migspec_oracle_gpt2", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def bert_modules() -> types.SimpleNamespace:
    """Google's modeling.py and run_pretraining.py, with the two parts of TensorFlow 1 that they use and TensorFlow 2 has not.

    `tf.contrib.layers` lives on as `tf_slim.layers`, `tf.layers` in tf_keras.
    """
    import tf_slim
    from tensorflow.compat import v1
    from tf_keras.src.legacy_tf_layers import core

    contrib = types.ModuleType("tensorflow.contrib")
    contrib.layers = tf_slim.layers  # type: ignore[attr-defined]
    before = sys.modules.get("tensorflow.contrib")
    sys.modules["tensorflow.contrib"] = contrib
    try:
        modeling = importlib.import_module("bert.modeling")
        pretraining = importlib.import_module("bert.run_pretraining")
    finally:
        if before is None:
            del sys.modules["tensorflow.contrib"]
        else:
            sys.modules["tensorflow.contrib"] = before

    class TensorFlow1:
        """TensorFlow 1's names, `layers` included."""

        layers = core

        def __getattr__(self, name: str) -> Any:
            return getattr(v1, name)

    modeling.tf = pretraining.tf = TensorFlow1()  # type: ignore[attr-defined]
    return types.SimpleNamespace(modeling=modeling, pretraining=pretraining)
