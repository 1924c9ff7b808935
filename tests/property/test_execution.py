"""Whatever comes, in whichever order: an execution is final exactly once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtimed.model.diagram import stimuli
from runtimed.model.execution import Progress, Stimulus, advance

STIMULI = st.sampled_from(list(stimuli()))


@given(st.lists(STIMULI, max_size=30))
def test_it_is_final_once_at_most(
    received: list[tuple[Stimulus, str | None, str | None, bool]],
) -> None:
    progress = Progress()
    finals = 0
    for stimulus, detail, ename, carry_over in received:
        after = advance(progress, stimulus, detail=detail, ename=ename, carry_over=carry_over)
        finals += after.is_final and not progress.is_final
        if progress.is_final:
            assert after == progress
        progress = after
    assert finals == progress.is_final


@given(
    st.sampled_from(["ok", "error"]),
    st.lists(
        st.sampled_from(
            [
                Stimulus.STARTED,
                Stimulus.EXECUTING,
                Stimulus.INPUT_REQUESTED,
                Stimulus.INPUT_ANSWERED,
                Stimulus.INTERRUPTED,
                Stimulus.ERROR_SHOWN,
            ]
        ),
        max_size=8,
    ),
    st.data(),
)
def test_the_place_of_the_reply_changes_nothing(
    reply: str, shown: list[Stimulus], data: st.DataObject
) -> None:
    """It comes on another socket than the rest: before, between or after."""

    def outcome(place: int) -> str:
        progress = advance(Progress(), Stimulus.SENT)
        on_iopub = [*shown, Stimulus.IDLED]
        for index in range(len(on_iopub) + 1):
            if index == place:
                progress = advance(progress, Stimulus.REPLIED, detail=reply, ename="E")
            if index < len(on_iopub):
                progress = advance(progress, on_iopub[index], ename="E")
        assert progress.is_final
        return progress.status

    last = len(shown) + 1
    assert outcome(data.draw(st.integers(0, last))) == outcome(last)
