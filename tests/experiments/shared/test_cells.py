"""What people open in a spreadsheet or on a Markdown page stays text."""

import pytest

from experiments.shared.cells import csv_cell, markdown_text


@pytest.mark.parametrize("text", ["=1+1", "+A1", "-cmd|'/C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1+1"])
def test_a_formula_becomes_text(text):
    assert csv_cell(text) == "'" + text


@pytest.mark.parametrize("value", ["red mug", "", "a=b", -0.5, None, 3])
def test_what_is_no_formula_stays_as_it_is(value):
    assert csv_cell(value) == value


def test_markdown_gets_one_line_without_markup():
    assert markdown_text("a | b\r\nc\n\n# d") == "a \\| b c # d"
    assert markdown_text("<img src=x> [link](http://x) `code` *b* ~s~ $x$ \\|") == (
        "\\<img src=x\\> \\[link\\](http://x) \\`code\\` \\*b\\* \\~s\\~ \\$x\\$ \\\\\\|"
    )
