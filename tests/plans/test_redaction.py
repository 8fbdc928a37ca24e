"""What a step prints is shown without secrets, however it is cut into pieces."""

from __future__ import annotations

import base64
from itertools import pairwise
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from hemostat.base.ids import new_token
from hemostat.plans.executors.port import OUTPUT_CAP
from hemostat.plans.output import Output
from hemostat.plans.rules.redact import HIDDEN, Redactor

SECRET = "s3cr&t/with space"


def pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in pairwise(places)]


@given(
    st.lists(st.integers(0, 200)), st.text(alphabet="ab\n &s3", max_size=40), st.text(alphabet="ab\n &s3", max_size=40)
)
def test_a_secret_never_shows_however_the_output_is_cut(cuts: list[int], before: str, after: str) -> None:
    redactor = Redactor([SECRET])
    text = f"{before}{SECRET}{after}"
    shown = "".join(redactor.feed(piece) for piece in pieces(text, cuts)) + redactor.flush()
    assert shown == text.replace(SECRET, HIDDEN)


@given(st.lists(st.integers(0, 300)))
def test_its_other_spellings_and_tokens_of_ours_are_hidden_too(cuts: list[int]) -> None:
    token = new_token().text
    redactor = Redactor([SECRET])
    text = f"{quote(SECRET, safe='')}|{base64.b64encode(SECRET.encode()).decode()}|{token}|end"
    shown = "".join(redactor.feed(piece) for piece in pieces(text, cuts)) + redactor.flush()
    assert "s3cr" not in shown
    assert token not in shown
    assert shown.endswith("|end")


def test_whole_lines_are_shown_at_once() -> None:
    redactor = Redactor([SECRET])
    assert redactor.feed("pool 31 of 100\nnext ") == "pool 31 of 100\n"


def test_a_secret_of_several_lines_is_hidden_whole() -> None:
    redactor = Redactor(["-----BEGIN\nabcdef\n-----END"])
    shown = redactor.feed("x -----BEGIN\nabc") + redactor.feed("def\n-----END y\n") + redactor.flush()
    assert shown == f"x {HIDDEN} y\n"


def test_output_is_capped_and_says_so() -> None:
    output = Output([])
    for _ in range(20):
        output.write("x" * 8000 + "\n")
    text = output.take(last=True)
    assert len(text) == OUTPUT_CAP
    assert text.endswith("…\n")
    output.write("more\n")
    assert output.take(last=True) == ""


def test_output_is_plain_text() -> None:
    output = Output([])
    output.write("\x1b[32mready\x1b[0m\x00\r\n50 %\rdone\n")
    assert output.take(last=True) == "ready\n50 %\ndone\n"
