"""Which errors a function raises: by its own `raise`, and by the private functions of its module that it calls."""

import ast
import builtins
from collections.abc import Iterator, Mapping

#: A caller's broken contract, or Python's own machinery: no part of what a function promises.
UNPROMISED = {"AssertionError", "NotImplementedError", "StopIteration", "StopAsyncIteration", "GeneratorExit"}
UNPROMISED |= {"KeyboardInterrupt", "SystemExit"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def ancestors(name: str, bases: Mapping[str, list[str]]) -> set[str]:
    """Return a class's own name and those of all its bases, as far as they are known.

    Args:
        name: Of the class, without its module.
        bases: By class, the names of its bases.
    """
    found, waiting = set(), [name]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        found.add(each)
        waiting += bases.get(each, [])
        known = getattr(builtins, each, None)
        if isinstance(known, type):
            waiting += [parent.__name__ for parent in known.__mro__ if parent is not object]
    return found


class RaisedErrors:
    """The errors that functions of one module raise."""

    def __init__(self, module: ast.Module, bases: Mapping[str, list[str]]) -> None:
        """Read a module.

        Args:
            module: Its syntax tree.
            bases: By class of the whole library, the names of its bases.
        """
        self._bases = bases
        self._functions: dict[tuple[str, str], Function] = {}
        for node in module.body:
            if isinstance(node, Function):
                self._functions["", node.name] = node
            elif isinstance(node, ast.ClassDef):
                for member in node.body:
                    if isinstance(member, Function):
                        self._functions[node.name, member.name] = member
        self._known: dict[tuple[str, str], set[str]] = {}

    def of(self, owner: str, name: str) -> set[str]:
        """Return the names of the errors that a function lets out.

        Args:
            owner: Its class; empty for a function of the module.
            name: Its name.
        """
        key = owner, name
        if key not in self._known:
            self._known[key] = set()  # what calls itself adds nothing to itself
            function = self._functions[key]
            self._known[key] = {
                error for statement in function.body for error in self._let_out(statement, owner) if error
            } - UNPROMISED
        return self._known[key]

    def _let_out(self, node: ast.AST, owner: str) -> Iterator[str]:
        if isinstance(node, Function | ast.Lambda | ast.ClassDef):
            return
        if isinstance(node, ast.Try | ast.TryStar):
            caught = {name for handler in node.handlers for name in _caught(handler)}
            for statement in node.body:
                for error in self._let_out(statement, owner):
                    if not caught & ancestors(error, self._bases):
                        yield error
            for part in (*node.handlers, *node.orelse, *node.finalbody):
                yield from self._let_out(part, owner)
            return
        if isinstance(node, ast.Raise) and node.exc is not None:
            yield self._class_of(node.exc, owner)
        if isinstance(node, ast.Call) and (key := self._private(node.func, owner)) is not None:
            yield from self.of(*key)
        for child in ast.iter_child_nodes(node):
            yield from self._let_out(child, owner)

    def _class_of(self, raised: ast.expr, owner: str) -> str:
        called = raised.func if isinstance(raised, ast.Call) else raised
        if isinstance(raised, ast.Call) and (key := self._private(called, owner)) is not None:
            returned = self._functions[key].returns  # a function that makes the error
            return _last_name(returned) if returned is not None else ""
        name = _last_name(called)
        return name if name[:1].isupper() else ""  # a variable: whoever made it knows its class

    def _private(self, called: ast.expr, owner: str) -> tuple[str, str] | None:
        if isinstance(called, ast.Name) and called.id.startswith("_"):
            key = "", called.id
        elif (
            isinstance(called, ast.Attribute)
            and isinstance(called.value, ast.Name)
            and called.value.id in ("self", "cls")
            and called.attr.startswith("_")
        ):
            key = owner, called.attr
        else:
            return None
        return key if key in self._functions else None


def _caught(handler: ast.ExceptHandler) -> list[str]:
    if handler.type is None:
        return ["BaseException"]
    parts = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = [_last_name(part) for part in parts]
    # What is caught to be raised again as it was is let out after all.
    again = any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))
    return [] if again else names


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
