"""The frame of every command: what it is told, where its results go, and how it ends.

A command declares its settings, its own options and its work; everything else is here, once:

    --preset --set                 where the settings come from
    --output --mlflow-uri          where results go, the same for all, under `ray job submit` too
    --resume                       go on with what was cut off, with the settings that it was started with
    --dry-run                      print the settings as checked, and stop
    --quiet                        results, warnings and errors alone

Whatever can be refused is refused before the work begins. Errors are one line; `command_line` says the exit statuses.
"""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from experiments.shared.command_line import clear_errors, runs_begun, sigterm_stops
from experiments.shared.job_storage import OUTPUT_VARIABLE, lasting_folder, output_root, results_folder, results_path
from experiments.shared.options import Option, Output, given_on_the_command_line
from experiments.shared.preset_files import load_preset, preset_names, with_shortcuts
from experiments.shared.quiet import is_quiet, quietly
from experiments.shared.tracking_store import check_store, choose_store
from vlm_rewards.credentials import URI_VARIABLE
from vlm_rewards.errors import ConfigError

if TYPE_CHECKING:
    from vlm_rewards.strict_config import StrictConfig

__all__ = ["Command", "Invocation", "Option", "Output"]

_FRAME = ("preset", "overrides", "output", "mlflow_uri", "resume", "dry_run", "quiet")


@dataclass
class Invocation:
    """One call of a command, checked.

    Attributes:
        configs: The settings: one, or one for each preset of a command that takes several; none of one without.
        output: Folder for results, absolute; not made yet.
        output_given: Whether `--output` was.
        mlflow_uri: The MLflow store, complete, without its password; empty for a command that keeps no record.
        folder: What is resumed; None for a start. Work that makes a folder names it here, for messages.
        options: The command's own options and arguments by name.
    """

    configs: tuple[Any, ...]
    output: Path
    output_given: bool
    mlflow_uri: str
    folder: Path | None
    options: Mapping[str, Any]

    @property
    def config(self) -> Any:
        """The settings of a command that has one set of them."""
        (config,) = self.configs
        return config


@dataclass(frozen=True)
class Command:
    """A command in the frame.

    Attributes:
        name: As in `python -m experiments.NAME`.
        help: What it does, for `--help`.
        work: Does it.
        schema: Imports and returns the class of its settings, from the preset's values; None has no settings.
        preset: Its default preset; a tuple lets several be named, and is the default; None takes no presets.
        presets: Folder of its presets below `experiments/presets/`; its name by default.
        example: What the help of `--set` shows.
        options: Its own options.
        output: What `--output` means; None writes nothing where the command line could say.
        read: Returns the settings where they come from something else than presets, given all options by name.
        reopen: Returns the settings that the folder of `--resume` was started with; None cannot be resumed.
        again: How to continue after an interruption.
        runs_pickles: Whether what is resumed holds Ray's pickles, which can run code.
        tracks: Whether runs are kept in MLflow: "always", "named" where a store is named, or "never".
        store_folder: Returns the folder of the default sqlite store, given the output folder and all options by name;
            None takes the output folder.
        show: Prints what would be done: `--dry-run`; None prints the settings.
        dry_run: What the help of `--dry-run` says.
    """

    name: str
    help: str
    work: Callable[[Invocation], None]
    schema: Callable[[Mapping[str, Any]], "type[StrictConfig]"] | None = None
    preset: str | tuple[str, ...] | None = None
    presets: str = ""
    example: str = "seed=1"
    options: Sequence[Option] = ()
    output: Output | None = field(default_factory=Output)
    read: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    reopen: Callable[[Path], dict[str, Any]] | None = None
    again: str = "run the same command again"
    runs_pickles: bool = False
    tracks: str = "always"
    store_folder: Callable[[Path, Mapping[str, Any]], Path] | None = None
    show: Callable[[Invocation], None] | None = None
    dry_run: str = "Print the settings as checked, and stop."

    def app(self) -> typer.Typer:
        """Return the command as a program."""
        app = _program()
        self.add_to(app)
        return app

    def add_to(self, app: typer.Typer) -> None:
        """Make the command one of a program's."""
        # Typer shows line breaks as they are: paragraphs are wrapped to the terminal instead.
        paragraphs = (" ".join(paragraph.split()) for paragraph in self.help.strip().split("\n\n"))
        app.command(self.name, help="\n\n".join(paragraphs))(self._function())

    def _function(self) -> Callable[..., None]:
        def function(context: typer.Context, **given: Any) -> None:
            self._run(context, given)

        parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
        parameters += [option.parameter() for option in self.all_options()]
        function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # as inspect reads it
        function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return function

    def all_options(self) -> list[Option]:
        """Return its own options and arguments, and those of the frame."""
        arguments = [option for option in self.options if option.is_argument]
        own = [option for option in self.options if not option.is_argument]
        frame = []
        if self.preset is not None:
            names = ", ".join(preset_names(self._presets))
            several = isinstance(self.preset, tuple)
            text = f"Preset name ({names}) or the path of a YAML file"
            kind = list[str] if several else str
            text += "; repeatable. All of them by default." if several else "."
            default = None if several else self.preset
            presets = partial(preset_names, self._presets)
            frame.append(Option("--preset", text, kind, name="preset", default=default, values=presets))
        if self.schema is not None:
            text = f"Change one setting: --set {self.example}. Repeatable."
            frame.append(Option("--set", text, list[str], name="overrides", metavar="KEY=VALUE"))
        frame += own
        if self.output is not None:
            frame.append(Option(self.output.flags, _output_help(self.output), str, name="output"))
        if self.tracks != "never":
            place = self.output.store if self.output is not None else "in the output folder"
            last = "nowhere" if self.tracks == "named" else f"a sqlite file {place}"
            text = f"MLflow server or store; else the preset's, else MLFLOW_TRACKING_URI, else {last}."
            frame.append(Option("--mlflow-uri", text, str, name="mlflow_uri"))
        text = "Continue what this folder holds, with the settings of its start; takes no other option."
        text += " Ray's checkpoints are pickled: only folders of your own." if self.runs_pickles else ""
        frame.append(Option("--resume", text, str, name="resume", hidden=self.reopen is None))
        frame.append(Option("--dry-run", self.dry_run, bool, name="dry_run"))
        frame.append(Option("--quiet", "Say nothing but results, warnings and errors.", bool))
        return [*arguments, *frame]

    @property
    def _presets(self) -> str:
        return self.presets or self.name

    def _run(self, context: typer.Context, given: dict[str, Any]) -> None:
        invocation: Invocation | None = None

        def again() -> str:
            folder = invocation.folder if invocation is not None else given["resume"]
            if "--resume" in self.again and folder is not None and not Path(folder).exists():
                return "run the same command again"  # it had not begun: there is nothing to resume
            return self.again.replace("RUN_FOLDER", str(folder or "RUN_FOLDER"))

        with clear_errors(again), sigterm_stops(), quietly(given["quiet"]):
            begun = len(runs_begun())
            invocation = self._invocation(context, given)
            if given["dry_run"]:
                (self.show or _print_settings)(invocation)
                return
            if self.output is not None and (invocation.output_given or not self.output.is_file):
                results_folder(invocation.output.parent if self.output.is_file else invocation.output)
            if invocation.mlflow_uri:
                check_store(invocation.mlflow_uri)
            self.work(invocation)
            for line in runs_begun()[begun:]:
                if not is_quiet():
                    typer.echo(line, err=True)

    def _invocation(self, context: typer.Context, given: dict[str, Any]) -> Invocation:
        own = {name: value for name, value in given.items() if name not in _FRAME}
        for option in self.options:
            if option.is_results_path and given[option.name]:
                own[option.name] = results_path(given[option.name])
        folder = None
        if given["resume"] is not None:
            folder, values = self._resumed(context, given)
            settings, output = [values], folder.parent
        else:
            settings, output = self._settings(given), self._output(given)
        uri = self._store(given, settings, output, own, folder)
        configs = []
        for values in settings:
            assert self.schema is not None
            schema = self.schema(values)
            if uri and "tracking" in schema.model_fields:
                _with_store(values, uri)
            configs.append(schema(**values))
        return Invocation(tuple(configs), output, given.get("output") is not None, uri, folder, own)

    def _settings(self, given: dict[str, Any]) -> list[dict[str, Any]]:
        if self.schema is None:
            return []
        shortcuts = {option.sets: given[option.name] for option in self.options if option.sets}
        if self.read is not None:
            settings = [self.read(given)]
        else:
            chosen = [option.chooses for option in self.options if option.chooses and given[option.name]]
            names: Any = chosen or given["preset"] or self.preset
            names = [names] if isinstance(names, str) else names
            settings = [load_preset(self._presets, name, given["overrides"] or []) for name in names]
        return [with_shortcuts(values, shortcuts) for values in settings]

    def _output(self, given: dict[str, Any]) -> Path:
        if self.output is None:
            return results_path(output_root())
        if given["output"] is not None:
            return results_path(given["output"])
        if self.output.chosen is not None:
            return results_path(self.output.chosen(given))
        if self.output.below_root is None:
            if given["dry_run"] or self.output.is_file:
                return results_path(output_root())
            raise ConfigError(f"where to? Name the folder with {self.output.flags[-1]}")
        return results_path(output_root() / self.output.below_root)

    def _resumed(self, context: typer.Context, given: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
        if self.reopen is None:
            raise ConfigError(f"experiments.{self.name} has nothing to resume: {self.again}")
        others = given_on_the_command_line(context) - {"resume", "dry_run", "mlflow_uri", "preflight_only", "quiet"}
        if others:
            raise ConfigError("--resume continues with the settings of the start; leave the other options out")
        folder = lasting_folder(results_path(given["resume"]))
        return folder, self.reopen(folder)

    def _store(
        self,
        given: dict[str, Any],
        settings: list[dict[str, Any]],
        output: Path,
        own: dict[str, Any],
        folder: Path | None,
    ) -> str:
        kept = _kept_store(settings)
        named = given.get("mlflow_uri")
        if self.tracks == "never":
            return ""
        if self.tracks == "named" and not (named or kept or os.environ.get(URI_VARIABLE)):
            return ""
        # What is resumed lies beside its store, whatever options its start was given.
        place = self.store_folder(output, own) if self.store_folder is not None and folder is None else output
        if folder is None:
            return choose_store(named, kept, place)
        started = choose_store(None, kept or f"sqlite:///{place / 'mlflow.db'}", place)
        # With the password, which is kept nowhere, the same store may be named again; no other.
        if named and choose_store(named, None, place) != started:
            raise ConfigError(f"--resume continues in the MLflow store of the start, {started}; leave --mlflow-uri out")
        return started


def command_group(*commands: Command) -> typer.Typer:
    """Return several commands as one program, each under its name."""
    app = _program(no_args_is_help=True)
    for command in commands:
        command.add_to(app)
    return app


def _program(**options: Any) -> typer.Typer:
    return typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False, **options)


def _output_help(output: Output) -> str:
    if output.below_root is None or not output.says_default:
        return output.help
    below = f"/{output.below_root}" if output.below_root else ""
    return f"{output.help} Default: {OUTPUT_VARIABLE}{below}, else runs{below}."


def _kept_store(settings: list[dict[str, Any]]) -> str | None:
    """Return the store that the first settings name; what else they hold under `tracking` the schema judges."""
    tracking = settings[0].get("tracking") if settings else None
    uri = tracking.get("uri") if isinstance(tracking, dict) else None
    return uri if isinstance(uri, str) else None


def _with_store(values: dict[str, Any], uri: str) -> None:
    tracking = values.get("tracking") or {}
    if isinstance(tracking, dict) and isinstance(tracking.get("uri"), str | None):
        values["tracking"] = {**tracking, "uri": uri}


def _print_settings(invocation: Invocation) -> None:
    import yaml

    for config in invocation.configs:
        typer.echo(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), nl=False)
