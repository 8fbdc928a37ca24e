"""The servers of paging's tests, for the channels too."""

from tests.paging.conftest import mail, sink, time

__all__ = ["mail", "sink", "time"]
