"""The fenced blocks of Markdown pages, and the command lines in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`((?:python -m experiments\.|vlm-rewards |make )[^`\n]+)`(?!`)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True)
class Block:
    """A fenced block, or a command in running text.

    Attributes:
        page: The Markdown file.
        line: Number of its first line, from 1.
        language: As the fence names it: `python`, `bash`, `yaml`, ... ; `inline` for running text.
        text: What is in it.
    """

    page: Path
    line: int
    language: str
    text: str


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in order, and then the commands in its running text."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        body = re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE)
        yield Block(page, text.count("\n", 0, found.start(3)) + 1, found[2], body)
    prose = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    for found in _INLINE.finditer(prose):
        yield Block(page, prose.count("\n", 0, found.start()) + 1, "inline", found[1])


def command_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the words of each simple command of a shell script, with the number of its line.

    Comments, assignments in front of a command, and what follows `<<` up to its end are left out; a line that goes on
    after a backslash is one.

    Raises:
        ValueError: A quotation is not closed.
    """
    lines = iter(enumerate(text.splitlines()))
    for number, line in lines:
        while line.endswith("\\"):
            line = line[:-1] + next(lines)[1]
        if here := re.search(r"<<\s*(\w+)", line):
            while next(lines)[1].strip() != here[1]:
                pass
        line = re.sub(r"\$\([^()]*\)", "SUBSTITUTED", line)
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>")
        lexer.whitespace_split, lexer.commenters = True, "#"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word and set(word) <= set(";&|<>"):
                if words and words != ["<file>"]:
                    yield number, words
                # What follows an arrow is a file.
                words = ["<file>"] if set(word) & set("<>") else []
            elif words != ["<file>"] and (words or not _ASSIGNMENT.match(word)):
                words.append(word)
