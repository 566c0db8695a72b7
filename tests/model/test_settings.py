"""Settings of the model: what is misspelt or impossible is refused, what the library has works."""

import json

import numpy as np
import pytest
import torch
from transformers import Trainer, TrainingArguments

from mb_support.model import CausalConfig, TrajectoryConfig, TrajectoryTransformer
from mb_support.model.checkpoints import CheckpointError

TINY = dict(
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=32,
)


def make_model(**settings):
    torch.manual_seed(0)
    return TrajectoryTransformer(TrajectoryConfig(**TINY, **settings)).eval()


def walks(n=4, n_frames=12):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, n_frames, 2, generator=generator).cumsum(dim=1)


# Names and values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("n_feature", "n_features"),
        ("lamda", "lambda_"),
        ("hidden_dropout", "hidden_dropout_prob"),
        ("num_layers", "num_hidden_layers"),
        ("Gamma", "gamma"),
        ("max_positions_embeddings", "max_position_embeddings"),
    ],
)
def test_a_misspelt_setting_is_refused_and_the_right_one_named(name, meant):
    with pytest.raises(ValueError, match=f"no setting '{name}'; did you mean '{meant}'"):
        TrajectoryConfig(**{name: 2})
    with pytest.raises(ValueError, match=f"no setting '{name}'"):
        TrajectoryConfig.of_size("small", **{name: 2})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gamma", "x"),
        ("gamma", -1.0),
        ("gamma", float("nan")),
        ("lambda_", float("inf")),
        ("lambda_", None),
        ("lambda_", True),
        ("n_states", 1),
        ("n_states", 2.0),
        ("n_states", 10**12),
        ("n_features", 0),
        ("n_features", "2"),
        ("causal", "yes"),
        ("causal", 1),
        ("passes", "three"),
        ("passes", None),
        ("num_hidden_layers", 0),
        ("hidden_size", -16),
        ("max_position_embeddings", 1),
        ("hidden_dropout_prob", 1.0),
        ("attention_probs_dropout_prob", -0.1),
        ("initializer_range", -0.02),
        ("initializer_range", -1),
        ("layer_norm_eps", "small"),
        ("vocab_size", "a"),
        ("hidden_act", "gelux"),
        ("num_labels", 3),
    ],
)
def test_an_impossible_value_is_refused_with_its_name(tmp_path, name, value):
    with pytest.raises(ValueError, match=name):
        TrajectoryConfig(**{name: value})
    make_model().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(CheckpointError, match=f"config.json.*{name}"):
        TrajectoryTransformer.from_pretrained(tmp_path)


def test_values_of_ours_are_refused_by_value_errors():
    for setting in (dict(gamma="x"), dict(n_states=0), dict(causal=2), dict(passes="both")):
        with pytest.raises(ValueError, match=next(iter(setting))):
            TrajectoryConfig(**setting)


def test_numbers_of_numpy_are_written_as_json():
    config = TrajectoryConfig.of_size(
        "small", hidden_size=np.int64(32), gamma=np.float32(0.5), causal=np.bool_(True)
    )
    assert json.loads(config.to_json_string())["hidden_size"] == 32
    config = TrajectoryConfig(n_states=np.int32(3), lambda_=np.float64(2.0), causal=np.bool_(False))
    written = json.loads(config.to_json_string())
    assert (written["n_states"], written["lambda_"], written.get("causal", False)) == (
        3,
        2.0,
        False,
    )


def test_whole_numbers_serve_as_weights():
    assert TrajectoryConfig(gamma=1, lambda_=0).lambda_ == 0


@pytest.mark.parametrize("settings", [dict(), dict(num_labels=2), dict(torch_dtype="float32")])
def test_settings_of_the_library_pass_and_survive_saving(tmp_path, settings):
    model = make_model(**settings)
    model.save_pretrained(tmp_path)
    loaded = TrajectoryTransformer.from_pretrained(tmp_path)
    assert loaded.config.to_diff_dict() == model.config.to_diff_dict()
    assert TrajectoryConfig.from_dict(model.config.to_dict()).gamma == model.config.gamma


# Habits of the library ----------------------------------------------------------------------------


def test_outputs_asked_for_in_the_settings_are_returned(tmp_path):
    model = make_model(output_hidden_states=True, output_attentions=True)
    x = walks()
    with torch.no_grad():
        output = model(x)
        assert len(output.hidden_states) == 3 and len(output.attentions) == 2
        assert model(x, output_hidden_states=False, output_attentions=False).hidden_states is None
    model.save_pretrained(tmp_path)
    loaded = TrajectoryTransformer.from_pretrained(tmp_path)
    with torch.no_grad():
        output = loaded(x)
    assert len(output.hidden_states) == 3 and len(output.attentions) == 2


def test_settings_changed_on_a_model_count_from_then_on(tmp_path):
    model, x = make_model(), walks()
    with torch.no_grad():
        assert model(x).hidden_states is None
        model.config.output_hidden_states = True
        assert len(model(x).hidden_states) == 3
        model.config.return_dict = False
        assert isinstance(model(x), tuple)
        assert model(x, return_dict=True).loss is None
    make_model().save_pretrained(tmp_path)
    loaded = TrajectoryTransformer.from_pretrained(tmp_path, output_hidden_states=True)
    with torch.no_grad():
        assert loaded(x).hidden_states is not None


def test_attentions_in_the_settings_survive_a_faster_implementation_elsewhere():
    from mb_support.classification import predict_states
    from mb_support.studies.collective_variable.frames import encode_frames

    model, x = make_model(output_attentions=True), walks().numpy()
    expected = predict_states(make_model(), x, progress=False)[1]
    np.testing.assert_allclose(predict_states(model, x, progress=False)[1], expected, atol=1e-5)
    assert encode_frames(model, x, np.array([0]), np.array([1])).shape == (1, 3, 8)
    with pytest.raises(ValueError, match="eager"):
        make_model()(walks(), output_attentions=True)


class Items(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, i):
        return {"trajectories": walks(8)[i], "labels": torch.tensor(i % 2)}


def plain_trainer(folder, model, **settings):
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=2,
        per_device_train_batch_size=4,
        per_device_eval_batch_size=3,
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="no",
        **settings,
    )
    return Trainer(
        model=model,
        args=arguments,
        train_dataset=Items(),
        eval_dataset=Items(),
        compute_metrics=lambda found: {"shape": list(found.predictions.shape)},
    )


def test_the_librarys_own_trainer_trains_and_predicts_states(tmp_path):
    trainer = plain_trainer(tmp_path, make_model())
    trainer.train()
    scores = trainer.evaluate()
    assert scores["eval_shape"] == [8, 2] and np.isfinite(scores["eval_loss"])


def test_label_smoothing_is_refused_as_it_would_replace_the_loss(tmp_path):
    trainer = plain_trainer(tmp_path, make_model(), label_smoothing_factor=0.1)
    with pytest.raises(ValueError, match="label_smoothing_factor"):
        trainer.train()


def test_activations_recomputed_in_the_backward_pass_give_the_same_gradient():
    gradients = []
    for recompute in (False, True):
        model = make_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train()
        if recompute:
            model.gradient_checkpointing_enable()
        model(walks(), labels=[0, 1, 1, 0]).loss.backward()
        gradients.append(model.inputs_to_hidden_dim.weight.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("implementation", ["sdpa", "cpu_fused"])
@pytest.mark.slow
def test_a_compiled_model_answers_as_before(implementation):
    model, x = make_model(), walks()
    model.set_attn_implementation(implementation)
    compiled = torch.compile(model, backend="aot_eager")
    with torch.no_grad():
        expected, found = model(x), compiled(x)
    torch.testing.assert_close(found.state_logits, expected.state_logits)
    torch.testing.assert_close(found.next_frames, expected.next_frames)


def test_the_generators_settings_are_looked_at_as_well():
    with pytest.raises(ValueError, match="no setting 'window_lenght'; did you mean 'window_len"):
        CausalConfig(window_lenght=8)
