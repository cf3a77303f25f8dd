"""Modules put together as one script: imports in order, names apart, and what is not understood refused."""

import pytest

from experiments.viewing.bundle import bundle
from experiments.viewing.page import FOLDER, PLAYGROUND


def write(folder, **modules):
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)
    return [folder]


def test_what_is_imported_comes_first_and_once(tmp_path):
    folders = write(
        tmp_path,
        main='import { a } from "./left.js";\nimport { b, c } from "./right.js";\na();\n',
        left='import { b } from "./right.js";\nexport const a = () => b;\n',
        right="export function b() {}\nexport class c {}\nconst own = 1;\n",
    )
    script = bundle("main", folders)
    assert [script.count(f"const ${name} = (") for name in ("right", "left", "main")] == [1, 1, 1]
    assert script.index("const $right") < script.index("const $left") < script.index("const $main")
    assert "const { b, c } = $right;" in script
    assert "return { b, c };" in script
    assert "export" not in script


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('import * as all from "./other.js";\n', "in another way"),
        ('import { a } from "./none.js";\n', "there is no none.js"),
        ('import { a } from "./main.js";\n', "imports itself"),
        ("export default 1;\n", "in another way"),
        ("const a = 1;\nexport { a };\n", "in another way"),
    ],
)
def test_what_it_does_not_know_is_refused(tmp_path, text, says):
    with pytest.raises(ValueError, match=says):
        bundle("main", write(tmp_path, main=text, other="export const a = 1;\n"))


def test_the_pages_own_script_shares_the_playgrounds_curve_shares_and_words_of_actions():
    script = bundle("viewer", [FOLDER, PLAYGROUND])
    assert all(
        f"const ${name} = (" in script for name in ("curve", "results", "reward", "actions", "recording", "list")
    )
    assert "</script" not in script
    assert "fetch(" not in script
