"""Every code that plans speak in has its sentence."""

from __future__ import annotations

import re
from pathlib import Path

import hemostat.plans
from hemostat.base.texts import Text, registered, render
from hemostat.plans.rules.states import RunState, StepState, Verb
from hemostat.plans.texts import TEXTS

ROOM = Path(hemostat.plans.__file__).parent


def test_every_code_in_the_room_has_a_sentence() -> None:
    sources = [file for file in ROOM.rglob("*.py") if file.name != "texts.py" and "migrations" not in file.parts]
    named = {code for file in sources for code in re.findall(r'"(plans\.[a-z_]+)"', file.read_text())}
    built = {f"plans.now_{state.value}" for state in RunState} | {f"plans.verb_{verb.value}" for verb in Verb}
    built |= {
        f"plans.step_{s.value}_state" for s in (StepState.DONE, StepState.FAILED, StepState.REFUSED, StepState.UNKNOWN)
    }
    assert len(named) > 40
    assert (named | built) - registered() - {"plans.plans"} == set()


def test_no_sentence_is_left_over() -> None:
    source = "".join(file.read_text() for file in ROOM.rglob("*.py") if file.name != "texts.py")
    built = re.compile(r"plans\.(now|verb|kind)_\w+|plans\.step_\w+_state|plans\.matches\w*")
    assert [code for code in TEXTS if code not in source and not built.fullmatch(code)] == []


def test_the_sentences_of_a_run_read_well() -> None:
    reason = Text("plans.kpi_is_not_back", {"share": 0.31, "goal": 0.99, "after_s": 150.0})
    told = Text("plans.run_did_not_help", {"plan": "Roll back orders", "reason": reason.as_json()})
    said = render(told).replace("\N{NO-BREAK SPACE}", " ")
    assert said == "“Roll back orders” did not help: success is 31 % after 2 min, wanted 99 %"
