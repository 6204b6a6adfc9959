"""What every colorizer must do: subclass ColorizerTester and say how the models are built."""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import colorzoo
from colorzoo import Colorizer, ConfigError, Hint
from colorzoo.options import OPTIONS

# Values of every option, for models that take it.
ASKED: dict[str, Any] = {
    "seed": 3,
    "vividness": 0.8,
    "temperature": 0.5,
    "steps": 3,
    "hints": [Hint(20, 10, "#c03020", 6)],
    "reference": np.full((24, 40, 3), (200, 40, 30), np.uint8),
}


# Keywords with which the models of others, which are large, are small enough for the suite.
SMALL: dict[str, dict[str, Any]] = {
    "ddcolor": {"encoder": "convnext_atto", "width": 32, "queries": 6, "layers": 3},
    "ddcolor-tiny": {"encoder": "convnext_atto", "width": 16, "queries": 4, "layers": 3},
    "eccv16": {"width": 4},
    "siggraph17": {"width": 4},
}


def create_small(name: str, **config: Any) -> Colorizer:
    """An untrained model; if its weights are published by others, a small variant of it."""
    small = {"work_size": 64} if colorzoo.model_info(name).published else {}
    return colorzoo.create_model(name, **SMALL.get(name, {}) | small | config)


def create_vivid(name: str, **config: Any) -> Colorizer:
    """A small untrained model that colours strongly."""
    torch.manual_seed(0)
    model = create_small(name, **config)
    with torch.no_grad():
        for layer in (getattr(model, "refine", None), getattr(model, "head", None)):
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight *= 30
    return model


class ColorizerTester:
    """The contract of :class:`colorzoo.Colorizer`, checked on untrained models.

    A family's own test file needs no more than a subclass::

        class TestMine(ColorizerTester):
            models = {"mine": lambda: colorzoo.create_model("mine", width=4)}

    Attributes:
        models: What builds each model, by its registered name. Each is built once and copied.
        learns: Whether ``forward`` alone can learn colours from lightness.
    """

    models: ClassVar[Mapping[str, Callable[[], Colorizer]]] = {}
    learns: ClassVar[bool] = True
    _built: ClassVar[dict[str, Colorizer]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._built = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "name" in metafunc.fixturenames:
            metafunc.parametrize("name", sorted(self.models))

    @pytest.fixture
    def model(self, name: str) -> Colorizer:
        """The model with random weights, always the same ones."""
        if name not in self._built:
            torch.manual_seed(0)
            self._built[name] = self.models[name]()
        return copy.deepcopy(self._built[name])

    # What it is -----------------------------------------------------------------------------------

    def test_name_and_config(self, name, model):
        assert model.architecture == name == model.config["architecture"]
        assert json.loads(json.dumps(model.config)) == model.config
        assert not model.training
        assert model.work_size % model.stride == 0

    def test_an_unknown_keyword_is_refused(self, name):
        with pytest.raises(ConfigError, match="no keyword wdith; it has .*work_size"):
            colorzoo.create_model(name, wdith=3)

    def test_options_are_declared_once_and_known(self, model):
        assert not model.network_options & model.render_options
        assert model.options == model.network_options | model.render_options | {"hints"} <= OPTIONS

    # The network ----------------------------------------------------------------------------------

    def test_forward_at_its_stride_and_a_batch_of_two(self, model):
        side = 2 * model.stride
        lightness = torch.rand(2, 1, side, 2 * side) * 100
        with torch.inference_mode():
            ab = model.to_ab(model(lightness))
            each = [model.to_ab(model(one[None])) for one in lightness]
        assert ab.shape[:2] == (2, 2)
        assert ab.isfinite().all()
        assert torch.allclose(ab, torch.cat(each), atol=1e-3)

    @pytest.mark.parametrize("size", [(1, 1), (7, 3), (33, 65), (31, 97)])
    def test_odd_sizes(self, model, size):
        with torch.inference_mode():
            ab = model.predict_ab(torch.rand(2, 1, *size) * 100)
        assert ab.shape == (2, 2, *size)
        assert ab.isfinite().all()

    def test_padding_is_cropped_off_again(self, model):
        """A picture padded by hand to a multiple of the stride gives the same colour inside."""
        side = 3 * model.stride
        if model.stride < 3:
            pytest.skip("a stride below 3 never pads on both sides")
        lightness = torch.rand(1, 1, side - 2, side - 2) * 100
        padded = F.pad(lightness, (1, 1, 1, 1), mode="replicate")
        with torch.inference_mode():
            inside = model.predict_ab(padded)[..., 1:-1, 1:-1]
            assert torch.equal(model.predict_ab(lightness), inside)

    def test_every_parameter_gets_a_gradient(self, model):
        model.train()
        side = 4 * model.stride
        output = model(torch.rand(2, 1, side, side) * 100)
        parts = output.values() if isinstance(output, dict) else [output]
        torch.stack([part.float().square().mean() for part in parts]).sum().backward()
        for key, value in model.named_parameters():  # those of a part that is not trained, never
            assert (value.grad is not None) == value.requires_grad, key

    def test_overfits_one_picture(self, model):
        """A model that can learn at all reproduces a flat red and blue picture."""
        if not self.learns:
            pytest.skip("forward alone does not decide on the colours")
        model.train()
        side = 4 * model.stride
        lightness = torch.full((2, 1, side, side), 30.0)
        lightness[..., side // 2 :] = 80
        truth = torch.zeros(2, 2, side, side)
        truth[:, 0, :, : side // 2], truth[:, 1, :, side // 2 :] = 50, -50
        optimizer = torch.optim.Adam(model.parameters(), 3e-3)
        errors: list[float] = []
        for _ in range(60):
            ab = model.to_ab(model(lightness))
            loss = (F.interpolate(ab, truth.shape[-2:]) - truth).abs().mean()
            errors.append(loss.item())
            if errors[-1] < 0.3 * errors[0]:
                return
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        pytest.fail(f"after {len(errors)} steps the error is {errors[-1]:.1f} of {errors[0]:.1f}")

    # Pictures -------------------------------------------------------------------------------------

    def test_colorize_is_deterministic(self, model, camera):
        first, second = (np.asarray(model.colorize(camera[::4, ::4])) for _ in range(2))
        assert (first == second).all()

    def test_work_size_can_be_given(self, model, camera, monkeypatch):
        with pytest.raises(ConfigError, match="work_size"):
            model.colorize(camera, work_size=model.stride - 1)
        seen, infer = [], model.infer

        def watched(lightness: Tensor, **conditions: Any) -> Any:
            seen.append(lightness.shape[-2:])
            return infer(lightness, **conditions)

        monkeypatch.setattr(model, "infer", watched)
        for work_size in (2 * model.stride, 5 * model.stride):
            result = model.colorize(camera[:400], work_size=work_size)
            assert result.size == (512, 400)
            assert min(seen[-1]) == work_size < max(seen[-1])

    def test_a_batch_says_of_each_photo_what_it_says_of_it_alone(self, model, camera):
        pictures = (camera[::4, ::4], camera[:300:4, ::4], camera[::-4, ::4])
        photos = [colorzoo.read_photo(each) for each in pictures]
        options = self._asked(model)
        for photo, said in zip(photos, model.predict_batch(photos, **options), strict=True):
            alone = model.predict(photo, **options)
            assert torch.equal(said.lightness, alone.lightness)
            difference = model.ab_of(said, **options) - model.ab_of(alone, **options)
            assert difference.abs().max() < 0.01

    # Options --------------------------------------------------------------------------------------

    def test_an_option_that_it_does_not_take_is_one_sentence(self, name, model, camera):
        for option in sorted(OPTIONS - model.options):
            with pytest.raises(ConfigError) as caught:
                model.colorize(camera, **{option: ASKED[option]})
            words = str(caught.value)
            assert words.startswith(f"{name} does not support {option}; ")
            assert words.endswith(f"Choose another model or omit {option}.")
            model.colorize(camera[::8, ::8], **{option: None})  # None asks for nothing

    def test_an_option_that_there_is_not_is_a_type_error(self, model, camera):
        with pytest.raises(TypeError, match="there is no option sed; the options are hints, "):
            model.colorize(camera, sed=3)

    def test_asking_for_something_leaves_no_trace(self, model, camera):
        """Options are a call's, the model's state is the next caller's too."""
        small = camera[::4, ::4]
        before = _state(model), model.config, model.training, vars(model).keys()
        plain = np.asarray(model.colorize(small))
        for option in sorted(model.options):
            asked = {option: ASKED[option]}
            first, second = (np.asarray(model.colorize(small, **asked)) for _ in range(2))
            assert (first == second).all(), option
        assert (np.asarray(model.colorize(small)) == plain).all()
        state, *rest = _state(model), model.config, model.training, vars(model).keys()
        assert (*rest,) == before[1:]
        assert all(torch.equal(value, before[0][key]) for key, value in state.items())

    def test_samples_are_what_each_seed_gives(self, model, camera):
        small = camera[::4, ::4]
        if "seed" not in model.options:
            with pytest.raises(ConfigError, match="does not support seed"):
                model.colorize_samples(small)
            return
        many = model.colorize_samples(small, 3, seed=5)
        for seed, image in enumerate(many, start=5):
            alone = np.asarray(model.colorize(small, seed=seed)).astype(int)
            assert np.abs(np.asarray(image) - alone).max() <= 1
        assert len({image.tobytes() for image in many}) == 3
        for wrong in (0, 65, 2.0):
            with pytest.raises(ConfigError, match="samples must be a whole number from 1 to 64"):
                model.colorize_samples(small, wrong)

    def test_what_was_predicted_can_be_rendered_later(self, model, camera):
        photo, options = colorzoo.read_photo(camera[::4, ::4]), self._asked(model)
        said = model.predict(photo, **options)
        model.predict(photo)  # the model is used for something else meanwhile
        later = np.asarray(model.render(photo, said, **options))
        assert (later == np.asarray(model.colorize_photo(photo, **options))).all()

    # Files ----------------------------------------------------------------------------------------

    def test_save_and_load_give_the_same_picture(self, model, tmp_path, camera):
        model.save_pretrained(tmp_path / "model")
        config = json.loads((tmp_path / "model" / "config.json").read_text())
        assert config == {**model.config, "colorzoo_version": colorzoo.__version__}
        small = camera[::8, ::8]
        before = np.asarray(model.colorize(small))
        for again in (
            colorzoo.load(tmp_path / "model"),
            type(model).from_pretrained(tmp_path / "model"),
        ):
            assert not again.training
            assert again.config == model.config
            for key, value in model.state_dict().items():
                assert torch.equal(value, again.state_dict()[key]), key
            assert (np.asarray(again.colorize(small)) == before).all()

    def test_one_use_in_half_precision_does_not_change_another(self, model, tmp_path, camera):
        model.save_pretrained(tmp_path)
        one, other = colorzoo.load(tmp_path), colorzoo.load(tmp_path)
        before = np.asarray(other.colorize(camera[::8, ::8]))
        one.half()
        assert other.dtype == torch.float32 and colorzoo.load(tmp_path).dtype == torch.float32
        assert (np.asarray(other.colorize(camera[::8, ::8])) == before).all()
        difference = np.asarray(one.colorize(camera[::8, ::8])).astype(int) - before
        assert np.abs(difference).mean() < 1

    @staticmethod
    def _asked(model: Colorizer) -> Any:
        return {option: ASKED[option] for option in model.options}


def _state(model: Colorizer) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}
