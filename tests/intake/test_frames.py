"""Commit groups: what is packed comes back; anything else is refused, never half read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.intake import frames
from hemostat.intake.frames import Codec, FrameError

bodies = st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=3000)), max_size=8)


@given(bodies)
def test_a_group_comes_back_as_it_was_packed(group: list[tuple[int, bytes]]) -> None:
    codec, data = frames.pack(group)
    assert list(frames.unpack(codec, data)) == group


def test_a_large_group_is_packed() -> None:
    codec, data = frames.pack([(1, b'{"labels":{}}' * 1000)])
    assert codec is Codec.LZ4
    assert len(data) < 1000


@given(bodies, st.data())
def test_a_group_cut_short_is_refused(group: list[tuple[int, bytes]], data: st.DataObject) -> None:
    codec, packed = frames.pack(group)
    if not packed:
        return
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]
    try:
        read = list(frames.unpack(codec, cut))
    except FrameError:
        return
    assert codec is Codec.PLAIN  # cut between two frames: a shorter group, never a garbled one
    assert read == group[: len(read)]


@pytest.mark.parametrize(
    ("codec", "data"), [(9, b""), (1, b""), (1, b"\xff\xff\xff\x7f123"), (1, b"\x05\x00\x00\x00zz"), (0, b"\x00")]
)
def test_what_is_no_group_is_refused(codec: int, data: bytes) -> None:
    with pytest.raises(FrameError):
        list(frames.unpack(codec, data))
