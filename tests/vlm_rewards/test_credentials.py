"""Passwords in addresses are used and never written."""

import pytest

from vlm_rewards.credentials import URI_VARIABLE, hide_passwords, remember, with_password, without_password

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("whole", "plain"),
    [
        (f"postgresql://me:{SECRET}@db:5432/runs", "postgresql://me@db:5432/runs"),
        (
            f"postgresql+psycopg2://Me:{SECRET}%40@DB/runs?sslmode=require",
            "postgresql+psycopg2://Me@DB/runs?sslmode=require",
        ),
        (f"postgresql://db/runs?user=me&password={SECRET}", "postgresql://db/runs?user=me"),
        (f"https://:{SECRET}@mlflow.example.com/path", "https://mlflow.example.com/path"),
        (f"http://me:{SECRET}@[::1]:5000", "http://me@[::1]:5000"),
        (f"https://mlflow/x?access_token={SECRET}", "https://mlflow/x"),
    ],
)
def test_an_address_loses_its_password_and_nothing_else(whole, plain, monkeypatch):
    assert without_password(whole) == plain
    monkeypatch.setenv(URI_VARIABLE, "http://elsewhere")
    assert remember(whole) == plain
    assert with_password(plain) == whole, "this process and its children connect with it"
    assert with_password(plain.replace("runs", "others") + "x") != whole, "another store is not given it"


@pytest.mark.parametrize("uri", ["sqlite:////tmp/a b/x.db", "http://me@host:5000/x", "/plain/path", "postgresql://h/d"])
def test_an_address_without_a_password_stays_as_it_is(uri, monkeypatch):
    monkeypatch.delenv(URI_VARIABLE, raising=False)
    assert remember(uri) == with_password(uri) == uri


@pytest.mark.parametrize(
    "text",
    [
        f"could not connect to postgresql://me:{SECRET}@db/runs (timeout)",
        f"Could not parse URL from string 'mysql+x://u:{SECRET}@/y'",
        f"two: http://a:{SECRET}@b and http://c:{SECRET}@d",
        f"postgresql://db/runs?password={SECRET}&sslmode=x",
    ],
)
def test_messages_show_addresses_without_their_passwords(text):
    assert SECRET not in hide_passwords(text)
    assert "***" in hide_passwords(text)
