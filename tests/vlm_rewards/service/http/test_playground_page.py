"""The page at `/playground` as a browser gets it: whole, its own, and from nowhere else."""

import re
from importlib import resources

import pytest

from vlm_rewards.goals import TaskSet, packaged_task_sets
from vlm_rewards.service.http import playground

FOLDER = resources.files(playground.__name__)
FILES = sorted(file.name for file in FOLDER.iterdir() if file.name.endswith((".css", ".js")))


@pytest.mark.parametrize("path", ["/playground", *(f"/playground/{name}" for name in FILES)])
def test_every_file_is_served_as_it_is_and_may_load_nothing_from_elsewhere(http, path):
    answer = http.get(path)
    assert answer.status_code == 200
    kind = {"": "text/html", "css": "text/css", ".js": "text/javascript"}[path[-3:] if "." in path else ""]
    assert answer.headers["content-type"].startswith(kind)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "//" not in policy
    # Addresses in it are names of formats, or none.
    assert set(re.findall(r"https?://[^\s\"'`]+", answer.text)) <= {"http://www.w3.org/2000/svg"}


def test_the_page_names_only_files_that_there_are(http):
    names = set(re.findall(r"(?:src|href)=\"([^\"#]+)\"", http.get("/playground").text))
    assert names == {"docs", "docs/favicon.png", "playground/style.css", "playground/app.js"}
    for file in FILES:
        for name in re.findall(r'from "\./([^"]+)"', FOLDER.joinpath(file).read_text()):
            assert name in FILES
    assert all(http.get(f"/{name}").status_code == 200 for name in names)


def test_the_librarys_task_sets_can_be_chosen(http):
    listed = {each["name"]: each for each in http.get("/playground/task-sets").json()["task_sets"]}
    assert list(listed) == packaged_task_sets()
    for name in ("open_common_apps", "playhouse_find_small"):
        own = TaskSet.named(name)
        ids = [goal.id for goal in own.all_goals]
        assert listed[name] == {"name": name, "goals": len(ids), "first": ids[0], "last": ids[-1]}
        got = http.get(f"/playground/task-sets/{name}").json()
        assert [goal["id"] for goal in got["goals"]] == ids
        assert [goal["subject"] for goal in got["goals"]] == [goal.subject for goal in own.all_goals]
        assert tuple(got["unachieved_captions"]) == own.unachieved_captions


def test_a_task_set_or_file_that_is_not_there_is_said(http):
    for path in ("/playground/task-sets/..%2Fsecrets", "/playground/task-sets/none", "/playground/page.html"):
        answer = http.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"
