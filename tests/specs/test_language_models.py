"""Whole language models of random weights, migrated by the library's specs: the old code and the new compute the same.

The old side is the published code itself: Google's and OpenAI's for TensorFlow 1, Hugging Face's for PyTorch.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # all files are the tests' own
pytest.importorskip("tensorflow", reason="needs TensorFlow, which runs the old code and Keras")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3")

import migspec  # noqa: E402
from migspec.compiler import compile_spec, read_spec  # noqa: E402
from migspec.diagnostics import Severity  # noqa: E402
from migspec.invert import invert  # noqa: E402
from migspec.variables import Variable, VariableMap  # noqa: E402

SPECS = Path(__file__).parents[2] / "specs" / "models"
TOLERANCE = 1e-4
VOCABULARY, POSITIONS, SEGMENTS, LAYERS, HEADS, WIDTH, INNER, CLASSES = 13, 11, 2, 2, 3, 12, 7, 5
TOKENS = numpy.array([[3, 1, 4, 1, 5, 9], [12, 6, 5, 0, 0, 0]], "int32")
PADDING = numpy.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]], "int32")
SEGMENT_IDS = numpy.array([[0, 0, 0, 1, 1, 1], [0, 0, 1, 0, 0, 0]], "int32")
EVERYWHERE = numpy.tile(numpy.arange(TOKENS.shape[1], dtype="int32"), (2, 1))
REAL = PADDING.astype(bool)


def needs(*modules: str) -> pytest.MarkDecorator:
    """Skip where a module is not installed; it is not imported for that."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


needs_bert = needs("bert", "tf_slim", "tf_keras")
needs_gpt2 = needs("gpt_2_simple")
needs_keras_hub = needs("keras_hub")
needs_transformers = needs("transformers", "torch")


def oracles() -> Any:
    """The oracles of the layers, which load the old code."""
    spec = importlib.util.spec_from_file_location("oracles_language", SPECS / "oracles_language.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def migrate(name: str, source: object, target: object) -> migspec.Migration:
    """Fill the target by a spec of the library. Nothing is allowed, and nothing gives a warning."""
    migration = migspec.compile(SPECS / f"{name}.mig", source, target)
    compilation = compile_spec(read_spec(str(SPECS / f"{name}.mig")), migration.source.variables, migration.target.variables)
    assert [one.message for one in compilation.diagnostics if one.severity is Severity.WARNING] == []
    migration.apply()
    return migration


def assert_comes_back(name: str, source: str, model: object, folder: Path, out: str) -> None:
    """The inverse spec makes of the migrated model what the source was, bit for bit; what was left behind is kept."""
    inverse = folder / "inverse.mig"
    inverse.write_text(invert(read_spec(str(SPECS / f"{name}.mig"))).text.content, encoding="utf-8")
    migspec.compile(inverse, model, source).apply(folder / out)
    with migspec.open(source) as before, migspec.open(str(folder / out)) as after:
        assert set(before) == set(after)
        for variable in before:
            numpy.testing.assert_array_equal(before[variable], after[variable], strict=True)


def close(actual: Any, expected: Any, where: Any = slice(None)) -> None:
    """Equal to within the tolerance, at the positions that are no padding."""
    actual, expected = (numpy.asarray(one)[where] for one in (actual, expected))
    assert actual.shape == expected.shape
    assert numpy.abs(actual).max() > 0.1, "outputs this small would show nothing"
    assert float(numpy.abs(actual - expected).max()) <= TOLERANCE


def drawn(variable: Any, generator: numpy.random.Generator) -> numpy.ndarray:
    """A random value that leaves no layer saturated: 0.5 to 1.5 for what scales, small for the rest."""
    name, shape = variable.op.name if hasattr(variable, "op") else variable, tuple(variable.shape)
    if name.rsplit("/", 1)[-1] in ("gamma", "g"):
        return generator.uniform(0.5, 1.5, shape).astype("float32")
    return generator.uniform(-0.5, 0.5, shape).astype("float32")


# TensorFlow 1


@dataclass(frozen=True)
class Old:
    """A checkpoint of TensorFlow 1, and what its model computes."""

    checkpoint: str
    variables: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, numpy.ndarray]


def saved(folder: Path, build: Callable[[], Mapping[str, Any]]) -> Old:
    """Build a model in a graph, give its variables random values, save and run it."""
    from tensorflow.compat import v1

    generator = numpy.random.default_rng(1)
    with v1.Graph().as_default(), v1.Session() as session:
        outputs = build()
        variables = v1.global_variables()
        for variable in variables:
            if variable.dtype.base_dtype == v1.float32:
                session.run(variable.initializer, {variable.initializer.inputs[1]: drawn(variable, generator)})
            else:
                session.run(variable.initializer)
        checkpoint = v1.train.Saver().save(session, str(folder / "model.ckpt"), write_meta_graph=False)
        shapes = {variable.op.name: tuple(variable.shape.as_list()) for variable in variables}
        return Old(checkpoint, shapes, session.run(outputs))


def bert(width: int = WIDTH, layers: int = LAYERS, heads: int = HEADS) -> tuple[Any, Any, Any]:
    """Google's modules, and a BertModel in the default graph."""
    import tensorflow

    modules = oracles().bert_modules()
    config = modules.modeling.BertConfig(VOCABULARY, width, layers, heads, INNER, "gelu", 0.0, 0.0, POSITIONS, SEGMENTS)
    tokens, padding, segments = (tensorflow.constant(one) for one in (TOKENS, PADDING, SEGMENT_IDS))
    return modules, config, modules.modeling.BertModel(config, False, tokens, padding, segments)


def pretraining(optimizer: bool = True, **sizes: int) -> dict[str, Any]:
    """BERT with the heads of its pretraining, and the optimizer's slots."""
    import tensorflow
    from tensorflow.compat import v1

    modules, config, model = bert(**sizes)
    count = TOKENS.size
    loss, _, words = modules.pretraining.get_masked_lm_output(
        config,
        model.get_sequence_output(),
        model.get_embedding_table(),
        tensorflow.constant(EVERYWHERE),
        tensorflow.zeros([count], "int32"),
        tensorflow.ones([count]),
    )
    _, _, following = modules.pretraining.get_next_sentence_output(
        config, model.get_pooled_output(), tensorflow.zeros([2], "int32")
    )
    if optimizer:
        importlib.import_module("bert.optimization").create_optimizer(loss, 1e-4, 10, 2, False)
        assert any(variable.op.name.endswith("adam_m") for variable in v1.global_variables())
    return {
        "sequence": model.get_sequence_output(),
        "pooled": model.get_pooled_output(),
        "words": tensorflow.reshape(words, [*TOKENS.shape, VOCABULARY]),
        "following": following,
    }


def classifier() -> dict[str, Any]:
    """BERT with the head of `run_classifier.py`, written out: as a whole that program does not run on TensorFlow 2."""
    import tensorflow
    from tensorflow.compat import v1

    _, _, model = bert()
    weights, bias = v1.get_variable("output_weights", [CLASSES, WIDTH]), v1.get_variable("output_bias", [CLASSES])
    return {"logits": tensorflow.matmul(model.get_pooled_output(), weights, transpose_b=True) + bias}


def gpt2() -> dict[str, Any]:
    """OpenAI's model, and the slots of the optimizer that people train it with."""
    import tensorflow
    from tensorflow.compat import v1

    model = oracles().gpt2_module()
    logits = model.model(model.HParams(VOCABULARY, POSITIONS, WIDTH, HEADS, LAYERS), tensorflow.constant(TOKENS))["logits"]
    v1.train.AdamOptimizer().minimize(tensorflow.reduce_sum(logits), v1.train.get_or_create_global_step())
    return {"logits": logits}


@pytest.fixture(scope="module")
def old_bert(tmp_path_factory: pytest.TempPathFactory) -> Old:
    return saved(tmp_path_factory.mktemp("bert"), pretraining)


@pytest.fixture(scope="module")
def old_classifier(tmp_path_factory: pytest.TempPathFactory) -> Old:
    return saved(tmp_path_factory.mktemp("classifier"), classifier)


@pytest.fixture(scope="module")
def old_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Old:
    return saved(tmp_path_factory.mktemp("gpt2"), gpt2)


# KerasHub


def hub_bert(width: int = WIDTH, layers: int = LAYERS, heads: int = HEADS) -> Any:
    import keras_hub

    return keras_hub.models.BertBackbone(VOCABULARY, layers, heads, width, INNER, 0.0, POSITIONS, SEGMENTS)


def hub_inputs(*names: str) -> dict[str, numpy.ndarray]:
    every = {"token_ids": TOKENS, "padding_mask": PADDING, "segment_ids": SEGMENT_IDS, "mask_positions": EVERYWHERE}
    return {name: every[name] for name in names or ("token_ids", "padding_mask")}


BERT_INPUTS = ("token_ids", "padding_mask", "segment_ids")


@needs_bert
@needs_keras_hub
def test_bert_to_keras_hub(old_bert: Old, tmp_path: Path) -> None:
    model = hub_bert()
    migrate("bert_to_keras_hub", old_bert.checkpoint, model)
    outputs = model(hub_inputs(*BERT_INPUTS))
    close(outputs["sequence_output"], old_bert.outputs["sequence"], REAL)
    close(outputs["pooled_output"], old_bert.outputs["pooled"])
    assert_comes_back("bert_to_keras_hub", old_bert.checkpoint, model, tmp_path, "back.npz")


@needs_bert
@needs_keras_hub
def test_a_trained_classifier_to_keras_hub(old_classifier: Old) -> None:
    import keras_hub

    model = keras_hub.models.BertTextClassifier(hub_bert(), CLASSES)
    migrate("bert_to_keras_hub", old_classifier.checkpoint, model)
    close(model(hub_inputs(*BERT_INPUTS)), old_classifier.outputs["logits"])


@needs_bert
@needs_keras_hub
def test_bert_with_its_head_for_masked_words_to_keras_hub(old_bert: Old) -> None:
    import keras_hub

    model = keras_hub.models.BertMaskedLM(hub_bert())
    # what is no weight, and differs: KerasHub's head has GELU by erf, and 1e-5
    model.masked_lm_head._intermediate_dense.activation = lambda x: keras.activations.gelu(x, approximate=True)
    model.masked_lm_head._intermediate_layer_norm.epsilon = 1e-12
    migrate("bert_masked_lm_to_keras_hub", old_bert.checkpoint, model)
    outputs = model(hub_inputs(*BERT_INPUTS, "mask_positions"))
    close(keras.ops.log_softmax(outputs), old_bert.outputs["words"], REAL)


@needs_gpt2
@needs_keras_hub
def test_gpt2_to_keras_hub(old_gpt2: Old, tmp_path: Path) -> None:
    import keras_hub

    backbone = keras_hub.models.GPT2Backbone(VOCABULARY, LAYERS, HEADS, WIDTH, 4 * WIDTH, 0.0, POSITIONS)
    model = keras_hub.models.GPT2CausalLM(backbone)
    migrate("gpt2_to_keras_hub", old_gpt2.checkpoint, model)
    close(model({"token_ids": TOKENS, "padding_mask": numpy.ones_like(TOKENS)}), old_gpt2.outputs["logits"])
    assert_comes_back("gpt2_to_keras_hub", old_gpt2.checkpoint, model, tmp_path, "back.npz")


@needs_bert
@needs_keras_hub
def test_all_variables_of_a_bert_as_large_as_published() -> None:
    """24 layers of 16 heads: the names of narrow models on both sides, the shapes of the published one. Nothing is computed."""
    import tensorflow

    with tensorflow.Graph().as_default():
        pretraining(optimizer=False, width=16 * 3, layers=24, heads=16)
        names = {one.op.name: tuple(one.shape.as_list()) for one in tensorflow.compat.v1.global_variables()}
    real = {VOCABULARY: 30522, POSITIONS: 512, SEGMENTS: 2, 16 * 3: 1024, INNER: 4096, 16: 16, 3: 64}
    new = {one.path: tuple(one.shape) for one in hub_bert(16 * 3, 24, 16).variables if "seed_generator" not in one.path}
    old, target = (
        VariableMap.of(label, [Variable(name, tuple(real[dim] for dim in shape), "float32") for name, shape in side.items()])
        for label, side in (("bert_large", names), ("BertBackbone", new))
    )
    assert len(old) == 398
    assert sum(one.size for one in target) == 335_141_888  # the 340 million of the paper, without the heads
    compilation = compile_spec(read_spec(str(SPECS / "bert_to_keras_hub.mig")), old, target)
    assert compilation.diagnostics == ()
    assert compilation.plan is not None


def test_the_names_of_the_published_bert() -> None:
    """The variables of Google's release of BERT-base, and of the BertBackbone for it."""
    maps = Path(__file__).parents[3] / "shared" / "examples" / "bert"
    if not maps.is_dir():
        pytest.skip("needs the shared variable maps")
    migration = migspec.compile(SPECS / "bert_to_keras_hub.mig", maps / "source.json", maps / "target.json")
    weights = {one.name for one in migration.target.variables if not one.name.endswith("seed_generator_state")}
    assert {move.target for move in migration.plan.moves} == weights
    assert {one.variable.split("/")[0] for one in migration.plan.dropped} == {"cls", "global_step"}


# Hugging Face


def bert_config(**options: Any) -> Any:
    """The old code's GELU is by tanh: `gelu_new`."""
    import transformers

    return transformers.BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        hidden_act="gelu_new",
        max_position_embeddings=POSITIONS,
        type_vocab_size=SEGMENTS,
        **options,
    )


def decoder_config(kind: str, **options: Any) -> Any:
    import transformers

    return getattr(transformers, kind)(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        rms_norm_eps=1e-6,
        **options,
    )


def computed(model: Any, **inputs: numpy.ndarray) -> Any:
    """The outputs of a model of Hugging Face, dropout off."""
    import torch

    with torch.no_grad():
        return model.eval()(**{name: torch.from_numpy(value).long() for name, value in inputs.items()})


def randomised(model: Any) -> Any:
    """A model of Hugging Face with every weight random, and norms around one."""
    import torch

    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.uniform_(-0.5, 0.5, generator=generator)
            if "norm" in name:
                parameter.add_(1.0)
    return model


def written(model: Any, folder: Path, **options: Any) -> str:
    """The file that the model is saved to, or the index of the files."""
    model.save_pretrained(folder, **options)
    index = folder / "model.safetensors.index.json"
    return str(index if index.exists() else folder / "model.safetensors")


def bert_inputs() -> dict[str, numpy.ndarray]:
    return {"input_ids": TOKENS, "attention_mask": PADDING, "token_type_ids": SEGMENT_IDS}


@needs_bert
@needs_transformers
def test_bert_to_transformers(old_bert: Old, tmp_path: Path) -> None:
    import transformers

    model = transformers.BertForPreTraining(bert_config())
    migrate("bert_to_transformers", old_bert.checkpoint, model)
    outputs = computed(model, **bert_inputs())
    close(outputs.prediction_logits.log_softmax(-1), old_bert.outputs["words"], REAL)
    close(outputs.seq_relationship_logits.log_softmax(-1), old_bert.outputs["following"])

    template = written(transformers.BertForPreTraining(bert_config()), tmp_path / "template")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "config.json").write_bytes((tmp_path / "template" / "config.json").read_bytes())
    migration = migspec.compile(SPECS / "bert_to_transformers.mig", old_bert.checkpoint, template)
    migration.apply(tmp_path / "new" / "model.safetensors")
    words = transformers.BertForMaskedLM.from_pretrained(tmp_path / "new")
    close(computed(words, **bert_inputs()).logits.log_softmax(-1), old_bert.outputs["words"], REAL)
    encoder = transformers.BertModel.from_pretrained(tmp_path / "new")
    close(computed(encoder, **bert_inputs()).pooler_output, old_bert.outputs["pooled"])
    assert_comes_back("bert_to_transformers", old_bert.checkpoint, model, tmp_path, "back.ckpt")


@needs_bert
@needs_transformers
def test_a_trained_classifier_to_transformers(old_classifier: Old, tmp_path: Path) -> None:
    import transformers

    model = transformers.BertForSequenceClassification(bert_config(num_labels=CLASSES))
    migrate("bert_to_transformers", old_classifier.checkpoint, model)
    close(computed(model, **bert_inputs()).logits, old_classifier.outputs["logits"])
    assert_comes_back("bert_to_transformers", old_classifier.checkpoint, model, tmp_path, "back.ckpt")


@needs_gpt2
@needs_transformers
def test_gpt2_to_transformers(old_gpt2: Old, tmp_path: Path) -> None:
    import transformers

    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=POSITIONS, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, bos_token_id=0, eos_token_id=0
    )
    model = transformers.GPT2LMHeadModel(config)
    migrate("gpt2_to_transformers", old_gpt2.checkpoint, model.transformer)
    close(computed(model, input_ids=TOKENS).logits, old_gpt2.outputs["logits"])
    assert_comes_back("gpt2_to_transformers", old_gpt2.checkpoint, model.transformer, tmp_path, "back.ckpt")


@needs_keras_hub
@needs_transformers
@pytest.mark.parametrize("tied", [False, True])
def test_llama_to_keras_hub(tmp_path: Path, tied: bool) -> None:
    import keras_hub
    import transformers

    old = randomised(transformers.LlamaForCausalLM(decoder_config("LlamaConfig", tie_word_embeddings=tied)))
    backbone = keras_hub.models.LlamaBackbone(VOCABULARY, LAYERS, 4, 16, INNER, 2, tie_word_embeddings=tied)
    model = keras_hub.models.LlamaCausalLM(backbone)
    source = written(old, tmp_path, max_shard_size="5KB")
    assert source.endswith("index.json")
    migrate("llama_to_keras_hub", source, model)
    expected = computed(old, input_ids=TOKENS, attention_mask=PADDING).logits
    close(model(hub_inputs()), expected, REAL)
    assert_comes_back("llama_to_keras_hub", source, model, tmp_path, "back.safetensors")


@needs_keras_hub
@needs_transformers
def test_llama_3_with_scaled_rotary_embeddings_to_keras_hub() -> None:
    import keras_hub
    import transformers

    scaling = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}
    config = decoder_config("LlamaConfig", rope_parameters={"rope_type": "llama3", "rope_theta": 500000.0, **scaling})
    old = randomised(transformers.LlamaForCausalLM(config))
    backbone = keras_hub.models.Llama3Backbone(
        VOCABULARY,
        LAYERS,
        4,
        16,
        INNER,
        2,
        rope_max_wavelength=500000.0,
        rope_frequency_adjustment_factor=8.0,
        rope_low_freq_factor=1.0,
        rope_high_freq_factor=4.0,
        rope_pretraining_sequence_length=16,
    )
    model = keras_hub.models.Llama3CausalLM(backbone)
    migrate("llama_to_keras_hub", old, model)
    close(model(hub_inputs()), computed(old, input_ids=TOKENS, attention_mask=PADDING).logits, REAL)


@needs_keras_hub
@needs_transformers
def test_mixtral_to_keras_hub(tmp_path: Path) -> None:
    """Into the second model of a process, whose blocks Keras numbers on from the first."""
    import keras_hub
    import transformers

    options = {
        "num_local_experts": 3,
        "num_experts_per_tok": 2,
        "experts_implementation": "eager",
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
    }
    old = randomised(transformers.MixtralForCausalLM(decoder_config("MixtralConfig", **options)))
    source = written(old, tmp_path)
    for _ in range(2):
        backbone = keras_hub.models.MixtralBackbone(VOCABULARY, LAYERS, 4, 16, INNER, 2, 3)
        model = keras_hub.models.MixtralCausalLM(backbone)
    migrate("mixtral_to_keras_hub", source, model)
    close(model(hub_inputs()), computed(old, input_ids=TOKENS, attention_mask=PADDING).logits, REAL)
    assert_comes_back("mixtral_to_keras_hub", source, model, tmp_path, "back.safetensors")
