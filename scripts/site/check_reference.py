"""Check what the API reference says: every public name, with shapes, dtypes, units or ranges, and errors.

    python scripts/site/check_reference.py [MODULE ...]

A public name is a module of the reference, or a class, function, method, property or field in one, without a leading
underscore. Each rule names what breaks it:

- `docstring`: every module, class, function, method and property has one.
- `field`: every field of a dataclass, configuration, protocol or named tuple, and every attribute that `__init__` sets,
  is in its class's `Attributes:` or in a base's, or has a docstring of its own; but for the parts of torch modules.
- `shape`: an array that goes in, comes out or is a field has its shape, such as `(N, H, W, 3)`, or is of any shape.
- `dtype`: ... and its dtype, in words or in the annotation.
- `unit`: a float, or a float array, has its unit or its range, in words, in its name (`timeout_s`) or in the annotation
  (`Field(gt=0)`).
- `raises`: an error that a function raises, itself or in a private function of its module, is in its `Raises:` under
  its own name or a base's. Not counted are errors that it catches itself, and those of `raised_errors.UNPROMISED`.

What overrides a method of a class in the reference may leave all of it to that one's docstring, and so may what says
``see `Class.method` `` or, of its own class, ``as for `method` ``. Everything is read from the source; nothing is
imported.
"""

import ast
import builtins
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.site.docstrings import Docstring, parse_docstring
from scripts.site.public_modules import public_modules, source_of
from scripts.site.raised_errors import Function, RaisedErrors, ancestors

_ARRAY = re.compile(r"\b(ndarray|NDArray|ArrayLike|Tensor)\b")
_DTYPE_OF_ANNOTATION = re.compile(r"NDArray\[\s*(?:np|numpy)\.(?:u?int|float|bool)\w+")
_FLOAT = re.compile(r"(?<![\w.])float(?:ing)?(?![\w.])|np\.float|numpy\.float")
_CONSTRAINT = re.compile(r"\b(?:ge|gt|le|lt|min_length|max_length)=|Literal\[")
_NOT_A_VALUE = re.compile(r"Callable\[")
_SEE = re.compile(r"\b[Ss]ee `(\w+)\.(\w+)`")
_AS_FOR = re.compile(r"\b[Aa]s for `(\w+)`")

_SHAPE = re.compile(
    r"\((?:\.\.\.|[A-Z]\w*|\d+)(?: ?[-+*/] ?\w+)?,(?: ?[^()]*)?\)|\b(?:any|same|its|s') shape\b|\bscalars?\b",
    re.IGNORECASE,
)
_DTYPE = re.compile(r"\b(?:u?int(?:8|16|32|64)?|b?float(?:16|32|64)?|bool|dtypes?)\b", re.IGNORECASE)
_UNIT_OF_NAME = re.compile(r"(?:^|_)(?:s|ms|seconds|minutes|hours|days|mb|gb|bytes|cpus|gpus|share|percent|gflops)$")
_UNITS = (
    "seconds?|minutes?|hours?|milliseconds?|ms|bytes?|MB|GB|MiB|GiB|megabytes?|pixels?|met(?:re|er)s?|steps?|episodes?"
    "|frames?|CPUs?|GPUs?|G?FLOPs?|nats|shares?|fractions?|percent|times|multiple|ratio|price|currency"
    "|probabilit(?:y|ies)|precision|recall|success rates?|cosines?|correlation|logits?|standard deviations?"
    "|scores?|score's|score_range|rewards?|returns?|in the units of"
)
_RANGES = (
    "at least|at most|above|below|positive|non-negative|negative|finite|between|[01] (?:or|to) 1|normali[sz]ed"
    "|of length 1|sums to 1"
)
_UNIT = re.compile(
    rf"\b(?:{_UNITS}|{_RANGES})\b|\bp\(goal\)|-1 (?:to|and) 1|%|[\[(]-?[\d.]+, ?[\w.]+[\])]", re.IGNORECASE
)


@dataclass(frozen=True)
class Fault:
    """A name that breaks a rule.

    Attributes:
        rule: One of this module's.
        name: Dotted, with its module.
        why: What is missing.
    """

    rule: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.rule:9} {self.name}: {self.why}"


class Library:
    """The source of several modules, and the classes in them."""

    def __init__(self, sources: dict[str, str]) -> None:
        """Read them.

        Args:
            sources: By module, its text.
        """
        self.trees = {name: ast.parse(text) for name, text in sources.items()}
        self.bases: dict[str, list[str]] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        self.aliases: dict[str, str] = {}
        for tree in self.trees.values():
            for node in tree.body:
                if isinstance(node, ast.ClassDef):
                    self.classes[node.name] = node
                    self.bases[node.name] = [_base_name(base) for base in node.bases]
                elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp | ast.Attribute):
                    for target in node.targets:
                        self.aliases[ast.unparse(target)] = ast.unparse(node.value)

    def annotation(self, node: ast.expr | None) -> str:
        """Return an annotation's text, with names that stand for others written out."""
        text = ast.unparse(node).strip("'\"") if node is not None else ""
        for _ in range(3):
            text = re.sub(r"(?<![\w.])(\w+)(?![\w.(])", lambda word: self.aliases.get(word[1], word[1]), text)
        return text

    def beside(self, owner: str, member: str, own: Docstring) -> list[Docstring]:
        """Return the docstrings of a method in the bases of its class, and those that its own points to."""
        methods = [(base, member) for base in ancestors(owner, self.bases) - {owner}]
        methods += [(found[1], found[2]) for found in _SEE.finditer(own.text)]
        methods += [(owner, found[1]) for found in _AS_FOR.finditer(own.text)]
        return [
            parse_docstring(ast.get_docstring(node))
            for other, name in methods
            for node in (self.classes[other].body if other in self.classes else [])
            if isinstance(node, Function) and node.name == name
        ]


def faults_of(library: Library, module: str) -> Iterator[Fault]:
    """Yield what is missing in a module's part of the reference.

    Args:
        library: All modules whose classes it may build on.
        module: Its dotted name.
    """
    tree = library.trees[module]
    raised = RaisedErrors(tree, library.bases)
    if not ast.get_docstring(tree):
        yield Fault("docstring", module, "the module has no docstring")
    for node in tree.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield from _function(library, raised, f"{module}.{node.name}", "", node)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _class(library, raised, f"{module}.{node.name}", node)


def names_of(library: Library, module: str) -> list[str]:
    """Return the public names of a module's part of the reference, the module's own first."""
    names = [module]
    for node in library.trees[module].body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            names.append(f"{module}.{node.name}")
            if isinstance(node, ast.ClassDef):
                members = [each.name for each in node.body if isinstance(each, Function)] + list(_fields(node))
                names += [f"{module}.{node.name}.{name}" for name in members if not name.startswith("_")]
    return names


def _class(library: Library, raised: RaisedErrors, name: str, node: ast.ClassDef) -> Iterator[Fault]:
    own = parse_docstring(ast.get_docstring(node))
    if not own.text:
        yield Fault("docstring", name, "the class has no docstring")
    others = [library.classes[each] for each in ancestors(node.name, library.bases) if each in library.classes]
    documented = [own, *(parse_docstring(ast.get_docstring(other)) for other in others)]
    for attribute, (annotation, value, below) in _fields(node).items():
        told = [docs.of("Attributes", attribute) for docs in documented]
        text = below or next((each for each in told if each), None)
        if text is None:
            yield Fault("field", f"{name}.{attribute}", "not in `Attributes:`")
        elif annotation is not None:
            constraint = ast.unparse(value) if value is not None else ""
            written = library.annotation(annotation)
            yield from _value(library, f"{name}.{attribute}", attribute, written, text, constraint)
    for member in node.body:
        if isinstance(member, Function) and member.name == "__post_init__":
            yield from _errors(library, raised, name, node.name, member.name, [own])
        elif isinstance(member, Function) and member.name == "__init__":
            yield from _function(library, raised, f"{name}.__init__", node.name, member, own)
        elif isinstance(member, Function) and not member.name.startswith("_"):
            yield from _function(library, raised, f"{name}.{member.name}", node.name, member)


def _fields(node: ast.ClassDef) -> dict[str, tuple[ast.expr | None, ast.expr | None, str | None]]:
    """Return annotation, value and own docstring of each public field, and of what `__init__` sets."""
    found: dict[str, tuple[ast.expr | None, ast.expr | None, str | None]] = {}
    for index, each in enumerate(node.body):
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            after = node.body[index + 1] if index + 1 < len(node.body) else None
            text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
            if not ast.unparse(each.annotation).startswith("ClassVar"):
                found[each.target.id] = each.annotation, each.value, text if isinstance(text, str) else None
    for member in node.body:
        if isinstance(member, Function) and member.name == "__init__":
            for inner in ast.walk(member):
                targets = inner.targets if isinstance(inner, ast.Assign) else []
                if isinstance(inner, ast.AnnAssign):
                    targets = [inner.target]
                for target in targets:
                    if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                        found.setdefault(target.attr, (None, None, None))
    parts = {_base_name(base) for base in node.bases} & {"Module", "PreTrainedModel"}
    return {name: what for name, what in found.items() if not name.startswith("_") and not (parts and what[0] is None)}


def _function(
    library: Library, raised: RaisedErrors, name: str, owner: str, node: Function, of_class: Docstring | None = None
) -> Iterator[Fault]:
    if any(ast.unparse(each).endswith(("overload", "setter")) for each in node.decorator_list):
        return
    own = parse_docstring(ast.get_docstring(node))
    if not own.text and of_class is None:
        yield Fault("docstring", name, "no docstring")
        return
    docs = [own, *([of_class] if of_class is not None else library.beside(owner, node.name, own))]
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    for argument in arguments:
        if argument.annotation is not None and argument.arg not in ("self", "cls"):
            told = [each.of("Args", argument.arg) or each.of("Attributes", argument.arg) for each in docs]
            # Without an entry of its own it is in the text, or nowhere.
            text = " ".join(each for each in told if each) or " ".join(each.prose for each in docs)
            annotation = library.annotation(argument.annotation)
            yield from _value(library, f"{name}({argument.arg})", argument.arg, annotation, text)
    returned = library.annotation(node.returns)
    said = [each.sections.get("Returns") or each.sections.get("Yields") or each.prose for each in docs]
    yield from _value(library, f"{name}()", node.name, returned, " ".join(said))
    yield from _errors(library, raised, name, owner, node.name, docs)


def _value(
    library: Library, name: str, short: str, annotation: str, text: str, constraint: str = ""
) -> Iterator[Fault]:
    if _NOT_A_VALUE.search(annotation):
        return
    if _ARRAY.search(annotation):
        if not _SHAPE.search(text):
            yield Fault("shape", name, f"an array ({annotation}) without its shape")
        if not _DTYPE.search(text) and not _DTYPE_OF_ANNOTATION.search(annotation):
            yield Fault("dtype", name, f"an array ({annotation}) without its dtype")
    if _FLOAT.search(annotation) and not (
        _UNIT_OF_NAME.search(short) or _UNIT.search(text) or _CONSTRAINT.search(annotation + constraint)
    ):
        yield Fault("unit", name, f"{annotation} without unit or range: {text[:100]!r}")


def _errors(
    library: Library, raised: RaisedErrors, name: str, owner: str, function: str, docs: list[Docstring]
) -> Iterator[Fault]:
    for error in sorted(raised.of(owner, function)):
        known = ancestors(error, library.bases) - {"Exception", "BaseException", "object"}
        # What other packages raise is caught where it may be; how their classes hang together cannot be read here.
        ours = error in library.classes or hasattr(builtins, error)
        if ours and not any(re.search(rf"\b{each}\b", text.text) for each in known for text in docs):
            yield Fault("raises", name, f"{error} is not in `Raises:`")


def _base_name(node: ast.expr) -> str:
    node = node.value if isinstance(node, ast.Subscript) else node
    return node.attr if isinstance(node, ast.Attribute) else ast.unparse(node)


def main(arguments: list[str]) -> int:
    """Print all faults, and how many names have none; the status is 1 where there is one."""
    library = Library({name: source_of(name).read_text(encoding="utf-8") for name in public_modules()})
    chosen = [name for name in library.trees if not arguments or any(name.startswith(each) for each in arguments)]
    faults = [fault for name in chosen for fault in faults_of(library, name)]
    for fault in faults:
        print(fault)
    names = sum(len(names_of(library, name)) for name in chosen)
    good = names - len({fault.name.split("(")[0] for fault in faults})
    counts = ", ".join(f"{count} {rule}" for rule, count in sorted(Counter(fault.rule for fault in faults).items()))
    print(f"{good} of {names} public names have all that they should ({good / names:.1%}){counts and ': ' + counts}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
