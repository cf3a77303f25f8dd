"""Google docstrings, read as far as checking them takes: a text, and what its sections say of each name."""

import inspect
import re
from dataclasses import dataclass, field

_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises):$")
_ENTRY = re.compile(r"^ {4}(\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*)(?: \([^)]*\))?:(?: (.*))?$")


@dataclass
class Docstring:
    """What a docstring says.

    Attributes:
        text: All of it, without the indentation; empty where there is none.
        sections: By section, such as `Args`, its whole text.
        entries: By section and name, what is said of that name; `Returns` and `Yields` have none.
    """

    text: str = ""
    sections: dict[str, str] = field(default_factory=dict)
    entries: dict[tuple[str, str], str] = field(default_factory=dict)

    def of(self, section: str, name: str) -> str | None:
        """Return what a section says of a name; None where it does not mention it."""
        return self.entries.get((section, name))

    @property
    def prose(self) -> str:
        """What is said of the whole: all before the first section, and what `Raises:` says cannot be."""
        lines = self.text.splitlines()
        end = next((number for number, line in enumerate(lines) if _SECTION.match(line)), len(lines))
        return "\n".join([*lines[:end], self.sections.get("Raises", "")])


def parse_docstring(text: str | None) -> Docstring:
    """Return a docstring's parts; of None those of an empty one."""
    parsed = Docstring(inspect.cleandoc(text or ""))
    section = ""
    names: list[str] = []
    for line in parsed.text.splitlines():
        if found := _SECTION.match(line):
            section, names = found[1], []
            parsed.sections[section] = ""
        elif line and not line.startswith(" "):
            section = ""
        elif section:
            parsed.sections[section] += line.strip() + " "
            if entry := _ENTRY.match(line):
                names = [name.lstrip("*") for name in entry[1].split(", ")]
                line = entry[2] or ""
            for name in names:
                before = parsed.entries.get((section, name), "")
                parsed.entries[section, name] = f"{before} {line.strip()}".strip()
    return parsed
