"""JavaScript modules as one script, for a page that loads nothing."""

import re
from collections.abc import Sequence
from pathlib import Path

# As the modules of this project are written: named imports of a file beside it, and exports where they are declared.
_IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|class|const|let) (\w+)", re.MULTILINE)


def bundle(entry: str, folders: Sequence[Path]) -> str:
    """Return a module and all that it imports as one script.

    Each module becomes a function that returns its exports, so that names of one do not meet those of another.

    Args:
        entry: Name of the module, without the ending.
        folders: Where modules are looked for, the first first.

    Raises:
        ValueError: A module imports or exports in a way that is not known here, or itself.
    """
    done: dict[str, str] = {}
    _add(entry, folders, done, ())
    return '"use strict";\n' + "\n".join(done.values())


def _add(name: str, folders: Sequence[Path], done: dict[str, str], importing: tuple[str, ...]) -> None:
    if name in importing:
        raise ValueError(f"{name}.js imports itself by way of {importing[-1]}.js")
    path = next((folder / f"{name}.js" for folder in folders if (folder / f"{name}.js").is_file()), None)
    if path is None:
        raise ValueError(f"there is no {name}.js in {' or '.join(map(str, folders))}")
    text = path.read_text(encoding="utf-8")
    for _, imported in _IMPORT.findall(text):
        if imported not in done:
            _add(imported, folders, done, (*importing, name))
    exported = [declared for _, declared in _EXPORT.findall(text)]
    body = _EXPORT.sub(r"\1 \2", _IMPORT.sub(r"const { \1 } = $\2;\n", text))
    if re.search(r"^(import|export)\b", body, re.MULTILINE):
        raise ValueError(f"{path} imports or exports in another way than {{ names }}, one line each")
    done[name] = f"const ${name} = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();\n"
