"""The step machine under crashes, stops and people, step by step against a model of what really happened."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hemostat.base.texts import Text
from hemostat.plans.rules import run as machine
from hemostat.plans.rules.run import Did, StepResult, StepView
from hemostat.plans.rules.states import OPEN_RUNS, RUN, STEP, RunState, StepState

RESULTS = st.sampled_from(list(Did))


@dataclass
class Step:
    """A step as it is written down, and how often it really began."""

    repeatable: bool
    state: StepState = StepState.WAITING
    begun: int = 0
    person_said: bool = False


@dataclass
class World:
    state: RunState = RunState.RUNNING
    steps: list[Step] = field(default_factory=list)
    guard_refused_at: int | None = None


class Runs(RuleBasedStateMachine):
    """Every rule is something that can happen to a run; what is done follows `next_move` and its companions."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.checking: int | None = None
        self.doing: int | None = None

    @initialize(kinds=st.lists(st.booleans(), min_size=1, max_size=5))
    def begin(self, kinds: list[bool]) -> None:
        self.world.steps = [Step(repeatable) for repeatable in kinds]

    def move(self, state: RunState) -> None:
        self.world.state = RUN.move(self.world.state, state)

    def move_step(self, position: int, state: StepState) -> None:
        self.world.steps[position].state = STEP.move(self.world.steps[position].state, state)

    def is_free(self) -> bool:
        """No engine is working on it."""
        return self.checking is None and self.doing is None

    def end(self, state: RunState) -> None:
        self.move(state)
        after = machine.after_end([s.state for s in self.world.steps])
        for step, wanted in zip(self.world.steps, after, strict=True):
            if wanted is not step.state:
                step.state = STEP.move(step.state, wanted)

    @precondition(lambda self: self.is_free() and self.world.state in (RunState.RUNNING, RunState.VERIFYING))
    @rule()
    def an_engine_takes_it(self) -> None:
        views = [StepView(step.state, step.repeatable) for step in self.world.steps]
        move = machine.next_move(self.world.state, views, runner="any")
        match move:
            case machine.CheckGuards(position):
                if self.world.steps[position].state is StepState.WAITING:
                    self.move_step(position, StepState.CHECKING)
                self.checking = position
            case machine.Execute(position):
                assert self.world.steps[position].repeatable
                self.begin_doing(position)
            case machine.AskPerson(position, _):
                assert not self.world.steps[position].repeatable
                self.move_step(position, StepState.UNKNOWN)
                self.end_question()
            case machine.StartVerifying():
                assert all(step.state is StepState.DONE for step in self.world.steps)
                self.move(RunState.VERIFYING)
            case machine.Look():
                assert self.world.state is RunState.VERIFYING

    def end_question(self) -> None:
        self.move(RunState.OUTCOME_UNKNOWN)

    def begin_doing(self, position: int) -> None:
        self.doing = position
        self.world.steps[position].begun += 1

    @precondition(lambda self: self.checking is not None)
    @rule(holds=st.booleans())
    def the_guards_were_looked_at(self, holds: bool) -> None:
        position, self.checking = self.checking, None
        assert position is not None
        if holds:
            self.move_step(position, StepState.RUNNING)
            self.begin_doing(position)
        else:
            self.move_step(position, StepState.REFUSED)
            self.world.guard_refused_at = position
            self.end(RunState.FAILED)

    @precondition(lambda self: self.doing is not None)
    @rule(did=RESULTS)
    def the_step_ends(self, did: Did) -> None:
        position, self.doing = self.doing, None
        assert position is not None
        step = self.world.steps[position]
        step_state, run_state = machine.after_step(StepResult(did, Text("x")), repeatable=step.repeatable)
        self.move_step(position, step_state)
        if run_state is RunState.FAILED:
            self.end(RunState.FAILED)
        elif run_state is RunState.OUTCOME_UNKNOWN:
            self.end_question()

    @precondition(lambda self: not self.is_free())
    @rule()
    def the_engine_dies(self) -> None:
        self.checking = self.doing = None

    @precondition(lambda self: self.world.state is RunState.OUTCOME_UNKNOWN)
    @rule(happened=st.booleans())
    def a_person_says(self, happened: bool) -> None:
        position = next(n for n, step in enumerate(self.world.steps) if step.state is StepState.UNKNOWN)
        self.world.steps[position].person_said = True
        self.move_step(position, StepState.DONE if happened else StepState.FAILED)
        if happened:
            self.move(RunState.RUNNING)
        else:
            self.end(RunState.FAILED)

    @precondition(lambda self: self.world.state in OPEN_RUNS)
    @rule()
    def a_person_stops_it(self) -> None:
        self.checking = self.doing = None
        self.end(RunState.CANCELLED)

    @precondition(lambda self: self.world.state is RunState.VERIFYING)
    @rule(helped=st.booleans())
    def the_figures_decide(self, helped: bool) -> None:
        self.end(RunState.HELPED if helped else RunState.DID_NOT_HELP)

    @precondition(lambda self: self.world.state not in (RunState.RUNNING, RunState.VERIFYING))
    @rule()
    def nothing_is_done_by_itself_when_it_is_over_or_waits(self) -> None:
        views = [StepView(step.state, step.repeatable) for step in self.world.steps]
        assert machine.next_move(self.world.state, views, runner="any") == machine.Nothing()

    @invariant()
    def nothing_that_could_do_harm_is_done_twice(self) -> None:
        assert all(step.begun <= 1 for step in self.world.steps if not step.repeatable)

    @invariant()
    def no_step_begins_before_the_ones_before_it_are_done(self) -> None:
        for before, step in zip(self.world.steps, self.world.steps[1:], strict=False):
            if step.begun:
                assert before.state is StepState.DONE

    @invariant()
    def a_refused_step_was_never_begun(self) -> None:
        if self.world.guard_refused_at is not None:
            assert self.world.steps[self.world.guard_refused_at].begun == 0

    @invariant()
    def a_step_is_done_only_if_it_was_begun(self) -> None:
        assert all(step.begun or step.state is not StepState.DONE for step in self.world.steps)

    @invariant()
    def when_the_run_is_over_no_step_is_left_open(self) -> None:
        if self.world.state not in OPEN_RUNS and self.is_free():
            left = {StepState.WAITING, StepState.CHECKING, StepState.RUNNING}
            assert not any(step.state in left for step in self.world.steps)


Runs.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestRuns = Runs.TestCase


def test_a_step_for_other_engines_is_handed_over() -> None:
    steps = [StepView(StepState.DONE, False), StepView(StepState.WAITING, False, runner="eu")]
    assert machine.next_move(RunState.RUNNING, steps, runner="us") == machine.HandOver("eu")
    assert machine.next_move(RunState.RUNNING, steps, runner="eu") == machine.CheckGuards(1)


def test_any_engine_can_ask_about_a_step_that_was_interrupted_elsewhere() -> None:
    steps = [StepView(StepState.RUNNING, False, runner="eu")]
    assert isinstance(machine.next_move(RunState.RUNNING, steps, runner="us"), machine.AskPerson)
