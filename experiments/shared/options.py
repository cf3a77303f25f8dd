"""What commands declare of their command line."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer


@dataclass(frozen=True)
class Option:
    """An option or argument of a command.

    Attributes:
        flags: Such as `--dataset`; a tuple where it has several, the usual one last; a bare name is an argument.
        help: What it means.
        kind: Type of its value: `str`, `int`, `float`, `bool`, `Path`, or a list of one: it may be repeated.
        sets: The setting that it is short for, as `key.subkey`.
        chooses: The preset that it is short for.
        default: Without it.
        name: In Python; made of the last flag by default.
        metavar: What its help calls the value.
        is_results_path: Whether it names a place for results, which has to be one for them.
        hidden: Whether the help leaves it out.
        values: Returns what a shell may complete it to.
    """

    flags: str | tuple[str, ...]
    help: str
    kind: Any = str
    sets: str | None = None
    chooses: str | None = None
    default: Any = None
    name: str = ""
    metavar: str | None = None
    is_results_path: bool = False
    hidden: bool = False
    values: Callable[[], Sequence[str]] | None = None

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.names[-1].lstrip("-").replace("-", "_"))

    @property
    def names(self) -> tuple[str, ...]:
        """All of its flags."""
        return (self.flags,) if isinstance(self.flags, str) else self.flags

    @property
    def is_argument(self) -> bool:
        """Whether it is told by its place."""
        return not self.names[-1].startswith("-")

    def parameter(self) -> inspect.Parameter:
        """Return it as typer reads it."""
        if self.is_argument:
            annotation: Any = Annotated[self.kind, typer.Argument(help=self.help)]
            return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
        told = typer.Option(*self.names, help=self.help, metavar=self.metavar, hidden=self.hidden)
        if self.kind is bool:
            default, annotation = False, Annotated[bool, told]
        else:
            default, annotation = self.default, Annotated[self.kind | None, told]
        return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


#: An option of commands that run on clusters.
PREFLIGHT_ONLY = Option("--preflight-only", "Try what the run needs on every node of the cluster, and stop.", bool)


@dataclass(frozen=True)
class Output:
    """What `--output` means to a command.

    Attributes:
        help: For `--help`.
        below_root: Where it is by default, below VLM_REWARDS_OUTPUT or `runs`; None has no default.
        chosen: Returns the default where it depends on other options.
        flags: Its names.
        store: Where the help says that a sqlite store lies.
        is_file: Whether it is a file, and none is written by default.
        says_default: Whether the help says where it is by default.
    """

    help: str = "Folder that run folders and MLflow's sqlite store go into."
    below_root: str | None = ""
    chosen: Callable[[Mapping[str, Any]], Path] | None = None
    flags: tuple[str, ...] = field(default=("--output",))
    store: str = "in the output folder"
    is_file: bool = False
    says_default: bool = True


def given_on_the_command_line(context: typer.Context) -> set[str]:
    """Return the names of the options that were written out, whatever their values."""
    return {name for name in context.params if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"}
