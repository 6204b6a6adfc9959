"""The methods of a model for saving, loading and pushing to the Hugging Face Hub."""

import copy
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import torch
from huggingface_hub import CommitInfo, ModelCard, ModelHubMixin
from typing_extensions import Self

from colorzoo.atomic import write_whole
from colorzoo.errors import ConfigError
from colorzoo.hub.checkpoint import Config, load_model
from colorzoo.hub.fetch import Folder, HubRepo
from colorzoo.hub.keywords import recorded_keywords
from colorzoo.hub.push import CARD_FILE, PushOptions, push_files
from colorzoo.hub.saving import save_error, save_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

# The default model card.
_CARD = """\
---
{{ card_data }}
---

# {{ repo_id.split("/")[-1] if repo_id else architecture }}

Colours black-and-white photos: `{{ architecture }}` of colorzoo, {{ parameters }} parameters.

```python
import colorzoo

model = colorzoo.load("{{ repo_id or "." }}"){{ "" if repo_id else "  # this folder" }}
image = model.colorize("photo.jpg")
colorzoo.save_image(image, "coloured.jpg")
```

The colours are a guess from the lightness of the picture, not history.
{%- if paper_url %} The method is described in <{{ paper_url }}>.{% endif %}

"""

Model = TypeVar("Model", bound="HubMixin")


class Registered(Protocol):
    """The registry of models, which imports this module and so cannot be imported here."""

    def family_of(self, config: Config) -> Any:
        """Return the class that a config.json describes."""
        ...

    def place_of(self, name: str) -> Path | tuple[str, str | None]:
        """Return where a registered model's weights are: a folder, or repository and commit."""
        ...


class HubMixin(
    ModelHubMixin,
    model_card_template=_CARD,
    library_name="colorzoo",
    pipeline_tag="image-to-image",
    tags=["image-colorization"],
):
    """Saving, loading and pushing. Colorizer combines it with ``nn.Module``.

    Attributes:
        architecture: The name under which the model is registered.
    """

    architecture: str = ""
    registered: ClassVar["Registered | None"] = None  # set by colorzoo.families

    if TYPE_CHECKING:  # provided by Colorizer and nn.Module

        @property
        def parameter_count(self) -> int: ...  # noqa: D102
        def state_dict(self) -> dict[str, Tensor]: ...  # noqa: D102

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Record the keywords for config.json, before the constructor can change them.

        Raises:
            ConfigError: If config.json cannot hold a keyword, so that it would be lost on saving.
        """
        instance = super().__new__(cls)
        instance._hub_mixin_config = cls._recorded(*args, **kwargs)
        return instance

    @classmethod
    def _recorded(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the constructor's keywords, defaults included, as config.json will hold them.

        Raises:
            ConfigError: If config.json cannot hold one of them.
        """
        try:
            # Not bind(): copying and unpickling create an instance without arguments.
            given = inspect.signature(cls.__init__).bind_partial(None, *args, **kwargs)
        except TypeError:
            return {}  # the constructor will explain it
        return recorded_keywords(cls.__name__, given)

    @property
    def config(self) -> dict[str, Any]:
        """The content of config.json: the architecture's name and the constructor's keywords."""
        keywords = self._hub_mixin_config
        return {
            "architecture": self.architecture,
            **(copy.deepcopy(keywords) if isinstance(keywords, dict) else {}),
        }

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """Return the short default card of the model.

        Args:
            args: Passed on to ``ModelHubMixin``.
            kwargs: ``repo_id``, the repository in the loading example of the card; all others are
                for templates of subclasses.
        """
        values = {"architecture": self.architecture, "parameters": f"{self.parameter_count:,}"}
        return super().generate_model_card(*args, **{**values, **kwargs})

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        config: Any = None,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: dict[str, Any] | None = None,
        **push_to_hub_kwargs: Any,
    ) -> str | None:
        """Save the model: config.json, model.safetensors and, if there is none yet, a short card.

        Files are replaced only when the new ones are complete.

        Args:
            save_directory: The folder; it is created if missing.
            config: Only for compatibility with ``ModelHubMixin``; must be the model's own if given.
            repo_id: "user/repo" to push to; the name of the folder if None.
            push_to_hub: Also push the model to the Hub.
            model_card_kwargs: Passed on to ``generate_model_card``.
            push_to_hub_kwargs: Passed on to ``push_to_hub``.

        Returns:
            The URL of the commit if the model was pushed, otherwise None.

        Raises:
            ConfigError: If ``config`` is not the model's own.
            WeightsError: If the files cannot be written; the model that was there is then kept.
            HubError: If pushing fails.
        """
        self._check_config(config)
        folder = Path(save_directory)
        save_weights(self, folder)
        card = folder / CARD_FILE
        if not card.exists():
            content = str(self.generate_model_card(**(model_card_kwargs or {})))
            try:
                write_whole(card, content.encode())
            except OSError as error:
                raise save_error("The model is saved, but its card", card, error) from error
        if not push_to_hub:
            return None
        return self.push_to_hub(
            repo_id or folder.name, model_card_kwargs=model_card_kwargs, **push_to_hub_kwargs
        )

    def _check_config(self, config: Any) -> None:
        if config not in (None, self._hub_mixin_config):
            raise ConfigError("config.json gets the model's own keywords: leave config out.")

    @classmethod
    def from_pretrained(
        cls: type[Model],
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        **model_kwargs: Any,
    ) -> Model:
        """Load a model. ``Colorizer.from_pretrained`` finds the class, as colorzoo.load() does.

        Args:
            pretrained_model_name_or_path: A folder, "user/repo" on the Hub, or a registered name.
            force_download: Download files again even if they are cached.
            token: Hub token; that of the logged-in user if None.
            cache_dir: Folder for downloads.
            local_files_only: Never access the network.
            revision: Branch, tag or commit on the Hub.
            model_kwargs: Keywords that replace those in config.json, such as ``work_size``.

        Returns:
            The model in eval mode, on the CPU, in float32.

        Raises:
            ConfigError: If config.json is missing or damaged, or does not fit this class.
            UnknownModelError: If the name is neither a folder nor a repository nor registered.
            WeightsError: If the weights do not fit.
            HubError: If the download from the Hub fails.
        """
        place, registered = pretrained_model_name_or_path, cls.registered
        is_name = isinstance(place, str) and not place.startswith((".", "~")) and "/" not in place
        if registered is not None and is_name and not Path(place).is_dir():
            found = registered.place_of(str(place))
            if isinstance(found, tuple):
                place, revision = found[0], revision or found[1]
            else:
                place = found
        source = (
            Folder(Path(place).expanduser())
            if Path(place).expanduser().is_dir()
            else HubRepo(
                str(place),
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                force_download=force_download,
            )
        )

        def builder(config: Config) -> "Callable[[], Any]":
            family: Any = cls
            if registered is not None and cls.__dict__.get("registered") is not None:
                family = registered.family_of(config)

            def build() -> Any:
                try:
                    return family(**{**config.keywords, **model_kwargs})
                except (TypeError, ValueError, RuntimeError, OverflowError) as error:
                    raise ConfigError(
                        f"{config.path} does not fit {family.__name__} ({error}); {config.origin}. "
                        "colorzoo.load() finds the class itself."
                    ) from error

            return build

        config, model = load_model(source, builder)
        if isinstance(config.architecture, str):  # the class may have several names
            model.architecture = config.architecture
        return model.eval()

    def push_to_hub(
        self,
        repo_id: str,
        *,
        config: Any = None,
        commit_message: str = "Push model using colorzoo",
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        allow_patterns: list[str] | str | None = None,
        ignore_patterns: list[str] | str | None = None,
        delete_patterns: list[str] | str | None = None,
        model_card_kwargs: dict[str, Any] | None = None,
        card: str | Path | None = None,
        overwrite_card: bool = False,
    ) -> CommitInfo:
        """Push the model to the Hub in one commit; a missing repository is created.

        A card that is already on the Hub is kept, unless ``overwrite_card`` is true.

        Args:
            repo_id: "user/repo", or "repo" for the logged-in user.
            config: Only for compatibility with ``ModelHubMixin``; must be the model's own if given.
            commit_message: Summary of the commit.
            private: Whether a newly created repository is private; the owner's default if None.
            token: Hub token; that of the logged-in user if None.
            branch: Branch to push to, created if missing; main if None.
            create_pr: Open a pull request instead.
            allow_patterns: Push only files that match one of these.
            ignore_patterns: Do not push files that match one of these.
            delete_patterns: Delete files on the Hub that match one of these and are not pushed.
            model_card_kwargs: Passed on to ``generate_model_card``.
            card: Markdown file to push as the card (README.md); a short default card if None.
            overwrite_card: Replace a card that is already on the Hub.

        Returns:
            The commit, a string with its URL. ``oid`` is the hash to pin, as in
            ``colorzoo.load(repo_id, revision=commit.oid)``; ``pr_url`` is the pull request.

        Raises:
            ConfigError: If arguments contradict each other.
            HubError: If pushing fails, or the Hub has a card that differs from ``card``.
        """
        self._check_config(config)

        def write(folder: Path, full_id: str) -> None:
            self.save_pretrained(
                folder, model_card_kwargs={"repo_id": full_id, **(model_card_kwargs or {})}
            )

        return push_files(
            repo_id,
            write,
            PushOptions(
                overwrite_card=overwrite_card,
                branch=branch,
                create_pr=bool(create_pr),
                private=private,
                token=token,
            ),
            message=commit_message,
            card=card,
            allow_patterns=allow_patterns,
            ignore_patterns=ignore_patterns,
            delete_patterns=delete_patterns,
        ).commit


def save_weights(model: HubMixin, folder: str | Path, *, dtype: torch.dtype | None = None) -> None:
    """Write config.json and model.safetensors.

    Args:
        model: The model to save.
        folder: The folder to write to; it is created if missing.
        dtype: Floating-point type of the saved tensors; the model's own if None.

    Raises:
        WeightsError: If they cannot be written. The model that was there can still be loaded.
    """
    save_files(Path(folder), model.state_dict(), model.config, dtype=dtype)
