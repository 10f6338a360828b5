"""No error shows a password of an address, in any form of address."""

import pytest

from anamnesis.errors import AnamnesisError, hide_passwords


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://user:p4ss@host/x", "http://host/x"),
        ("https://user:p4@ss@host/x", "https://host/x"),
        ("https://us%40er:p4%2Fss@[::1]:80/x@y", "https://[::1]:80/x@y"),
        ("https://user:it's-p4ss@host/", "https://host/"),
        ("git+ssh://user:p4ss@host/x", "git+ssh://host/x"),
        # No valid addresses, but people write them.
        ("http://user:p4/ss@host/x", "http://host/x"),
        ("http://user:p4#s?s@host/x", "http://host/x"),
        ("https://host/x?token=p4ss&page=2", "https://host/x?token=***&page=2"),
        ("https://host/x?page=2&private_token=p4ss#top", "https://host/x?page=2&private_token=***#top"),
        ("https://host/x?X-Amz-Signature=p4ss&X-Amz-Credential=p4ss", None),
        # Nothing to hide.
        ("http://host:8080/me@example", "http://host:8080/me@example"),
        ("http://host:80 and me@example", "http://host:80 and me@example"),
        ("http://host/x?page=2&tokens", "http://host/x?page=2&tokens"),
        ('{"a":"http://host","b":"me@example"}', '{"a":"http://host","b":"me@example"}'),
    ],
)
def test_addresses(address, shown):
    for text in (address, f"cannot read '{address}': no answer", f"{address} {address}"):
        hidden = hide_passwords(text)
        assert "p4" not in hidden
        assert shown is None or hidden == text.replace(address, shown)
        assert str(AnamnesisError(text)) == hidden
        assert hide_passwords(hidden) == hidden


@pytest.mark.parametrize("piece", ["//a:b", "?", "?token", "token", "/", "a", "@", "//a:@", ":"])
def test_repetition_does_not_slow_a_long_text(piece):
    # A pattern whose time grew with the square of the length would take minutes.
    assert len(hide_passwords("//?" + piece * (300_000 // len(piece)))) <= 300_010
