"""Find the class of a saved model, for ``colorzoo.load`` and ``Colorizer.from_pretrained``."""

from pathlib import Path

from colorzoo.colorizer import Colorizer as Colorizer
from colorzoo.errors import ConfigError, WeightsError
from colorzoo.hub.checkpoint import Config
from colorzoo.registry import ModelInfo, find_model, list_models, model_info


def settings_in(config: Config) -> ModelInfo:
    """Return the registered model that a config.json names.

    Raises:
        ConfigError: If it is not registered.
    """
    architecture = config.architecture
    info = find_model(architecture) if isinstance(architecture, str) else None
    if info is None:
        raise ConfigError(
            f"{config.path} has the architecture {architecture!r}, which is not registered: "
            f"{config.origin}. Registered are {', '.join(list_models())}. A newer colorzoo may "
            "have more; models of your own must be imported first."
        )
    return info


class _Registered:
    """What the methods of a model need to know of the registry, which imports them itself."""

    def family_of(self, config: Config) -> type[Colorizer]:
        """Return the class that a config.json describes."""
        return settings_in(config).family

    def place_of(self, name: str) -> Path | tuple[str, str | None]:
        """Return where the weights of a registered model are: a folder, or repository and commit.

        Raises:
            UnknownModelError: If the name is not registered.
            WeightsError: If it has no weights there.
        """
        info = model_info(name)
        if info.weights is not None and info.weights_of is None:
            return info.weights
        if info.repo_id is None or info.weights_of is not None:
            raise WeightsError(
                f"{info.name} has no folder or repository of its own; colorzoo.load({name!r}) "
                "loads it"
            )
        return info.repo_id, info.revision


# Of Colorizer alone: its subclasses load models of their own class.
Colorizer.registered = _Registered()
