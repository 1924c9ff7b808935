"""A run of a file into another, from wherever an earlier one of the same has come to."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from runt import exits, outputs, session
from runt.failures import ConflictFailure, NotFoundFailure
from runt.feed import Feed
from runt.ids import new_id, short
from runt.notebook_run import documents, earlier, plan
from runt.notebook_run.parameters import tags
from runt.notebook_run.turn import Turn
from runt.notebook_run.watch import Detached, Watch
from runt.shows import takes_colour
from runt.signals import Signals
from runtimed.client.connecting import CallFailed
from runtimed.model.text import without_ansi

if TYPE_CHECKING:
    from runt.notebook_run.progress import Progress

#: What of a kernel's start a later run has to ask for as well, to go on there.
_WHERE = ("kernel_name", "environment", "cwd")
#: A kernel that nobody came back for stops after so long without work.
_FORGOTTEN_S = 86_400.0


class Options(NamedTuple):
    """What was asked for; ``start`` are the parameters with which a kernel is started."""

    source: str
    out: str
    parameters: dict[str, Any]
    start: dict[str, Any]
    kernel: str | None
    start_timeout_s: float | None
    allow_errors: bool
    resume: bool
    fresh: bool
    keep: bool
    force: bool


class Ended(NamedTuple):
    """How a run ended: its cells, and the execution (with outputs) that ended it, if one did."""

    notebook: dict[str, Any]
    bad: dict[str, Any] | None
    exit_code: int


class Job:
    """One run; `run` does it all."""

    def __init__(self, options: Options, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self._before: documents.Before | None = None
        self._queued: list[str] = []
        self._started: str | None = None

    def run(self) -> Ended:
        """Begin or resume, follow to the end, and leave the output file behind.

        Raises `CallFailed`, `Failure` or `Detached`.
        """
        wanted = self._wanted()
        # Whoever comes meanwhile, comes when all cells are queued, and attaches.
        with Turn(self._options.out) as turn:
            notebook, good = self._begun(wanted)
            try:
                self._follow(notebook, good, turn)
            except CallFailed as failure:
                # Another client may have closed it when it had ended.
                if failure.name != "NotebookNotFound":
                    self._leave_nothing(notebook)
                    raise
        with Turn(self._options.out):
            return self._end(notebook)

    def _begun(self, wanted: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """Return the notebook, an earlier run's or a new one, and how many that ran are good."""
        options = self._options
        notebook = documents.find(options.out)
        if notebook is not None and plan.run_of(notebook) is None:
            what = f"{options.out} is open as notebook {short(notebook['id'])}"
            raise ConflictFailure(f"{what}; `runt notebook close` closes it")
        if notebook is None and options.resume:
            raise NotFoundFailure(f"no run into {options.out} is unfinished")
        if notebook is None and not options.force:
            documents.check_free(options.out)
        good = 0
        if notebook is not None:
            notebook, good = self._resumed(notebook, wanted, earlier.of_cells(notebook))
        if notebook is None:
            self._before = documents.Before(options.out)
            notebook = documents.write(options.out, wanted)
        return notebook, good

    def _leave_nothing(self, notebook: dict[str, Any]) -> None:
        """Close the notebook of a run that could not begin: there is nothing to go on with.

        Its file is what it was before.
        """
        with contextlib.suppress(CallFailed):
            now = session.call_again("notebook.get", {"notebook": notebook["id"]})
            if plan.latest(now["cells"]) is None:
                session.call("notebook.delete", {"notebook": now["id"], "if_match": now["etag"]})
                if self._before is not None:
                    self._before.restore()
                if self._started is not None:
                    earlier.stop(self._started)

    def _wanted(self) -> dict[str, Any]:
        options = self._options
        content = documents.read(options.source)
        start = {name: options.start[name] for name in _WHERE if name in options.start}
        run = {
            "id": new_id(),
            "source": options.source,
            "parameters": options.parameters,
            "start": start,
        }
        language = documents.language_of(content, options.kernel) if options.parameters else ""
        return plan.prepared(content, run, language=language, kernel=options.kernel)

    # -- what there is of an earlier run

    def _resumed(
        self, notebook: dict[str, Any], wanted: dict[str, Any], executions: earlier.Executions
    ) -> tuple[dict[str, Any] | None, int]:
        """Return the earlier run's notebook, and how many that ran are good; None: begin anew.

        Raises `ConflictFailure` where it is another run that goes on, or somebody else's work.
        """
        options, run = self._options, plan.run_of(notebook) or {}
        if earlier.is_worked_on(notebook, executions):
            if options.force:
                return self._discarded(notebook, executions)
            raise ConflictFailure(
                f"somebody has worked on {options.out} since, in notebook {short(notebook['id'])}; "
                "`runt notebook close` closes it, --force discards it"
            )
        cells, asked = notebook["cells"], wanted["cells"]
        is_same_run = plan.same_run(run, plan.run_of(wanted) or {})
        is_same = is_same_run and plan.is_same(cells, asked)
        if options.fresh:
            return self._discarded(notebook, executions)
        if any(cell["queued"] for cell in cells):
            if not is_same:
                raise ConflictFailure(
                    f"a run of something else into {options.out} goes on in notebook "
                    f"{short(notebook['id'])}; --fresh ends it"
                )
            self._progress.say("it runs already; attached to it")
            return notebook, 0
        good = plan.good_runs(cells, allow_errors=options.allow_errors)
        if is_same and good == len(plan.runs(cells)):
            self._progress.say("it ended while nobody watched; --fresh runs all again")
            return notebook, good
        why = _why_lost(executions, cells, asked, good)
        if not is_same_run:
            why = "it is of another file, kernel or directory"
        if why is not None:
            if options.resume:
                raise ConflictFailure(f"it cannot be resumed: {why}; --fresh runs all again")
            if good:
                self._progress.say(f"beginning anew: {why}")
            return self._discarded(notebook, executions)
        self._progress.say(f"resuming after {good} good cells; --fresh runs all again")
        if not is_same:
            notebook = self._changed(notebook, wanted, good)
        return notebook, good

    def _changed(
        self, notebook: dict[str, Any], wanted: dict[str, Any], good: int
    ) -> dict[str, Any]:
        """Keep the good cells with what they showed, and take the others as they are wanted now."""
        kept = documents.content(notebook["id"])
        cells = plan.merged(kept["cells"], wanted["cells"], good)
        # It is the same run still: what it queued is known by its id.
        run = {**(plan.run_of(wanted) or {}), "id": (plan.run_of(notebook) or {})["id"]}
        metadata = {**kept["metadata"], "runtimed": {"run": run}}
        return documents.write(self._options.out, {**kept, "cells": cells, "metadata": metadata})

    def _discarded(
        self, notebook: dict[str, Any], executions: earlier.Executions
    ) -> tuple[None, int]:
        """End an earlier run: its kernel, which it had to itself, and its notebook."""
        executions.stop_kernels()
        documents.close(notebook["id"])
        return None, 0

    # -- this run

    def _follow(self, notebook: dict[str, Any], good: int, turn: Turn) -> None:
        """Run what is left to run, or attach to what runs; the turn ends when that is known."""
        cells = notebook["cells"]
        filters = {"notebook": notebook["id"], "types": ["execution", "input"]}
        feed = Feed(session.connect, filters)
        try:
            with Signals() as signals:
                watch = Watch(notebook["id"], feed, signals, self._progress, turn)
                self._queued = watch.executions
                if any(cell["queued"] for cell in cells):
                    watch.attach()
                elif left := [cell["id"] for cell in plan.runs(cells)[good:]]:
                    watch.run(self._run_parameters(notebook, left), is_new=good == 0)
        finally:
            self._progress.end()
            feed.close()

    def _run_parameters(self, notebook: dict[str, Any], left: list[str]) -> dict[str, Any]:
        # Whoever sees the same state asks for the same group, and it is queued once.
        group = earlier.group(plan.run_of(notebook) or {}, plan.latest(notebook["cells"]))
        return {
            **self._where(notebook),
            "notebook": notebook["id"],
            "cells": left,
            "stop_on_error": not self._options.allow_errors,
            "group": group,
        }

    def _where(self, notebook: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters that say where cells run, having started what has a time limit."""
        options = self._options
        if options.start_timeout_s is None or notebook["runtime"] is not None:
            return options.start
        spec = notebook["metadata"].get("kernelspec") or {}
        named = {"kernel_name": spec["name"]} if spec.get("name") else {}
        wishes = {"start_timeout_s": options.start_timeout_s, "idle_stop_s": _FORGOTTEN_S}
        started = session.call("runtime.start", {**named, **options.start, **wishes})
        self._started = started["id"]
        return {"runtime": started["id"]}

    def _end(self, run: dict[str, Any]) -> Ended:
        """Save, and where all went well, end the kernel and close the notebook."""
        notebook_id = run["id"]
        params = {"notebook": notebook_id, "force": self._options.force}
        try:
            session.call_again("notebook.save", params)
            notebook = session.call_again("notebook.get", {"notebook": notebook_id})
        except CallFailed as failure:
            if failure.name != "NotebookNotFound":
                raise
            return self._ended_elsewhere(run)
        if self._queued:
            executions = earlier.Executions(plan.run_of(notebook) or {}, self._queued)
        else:
            executions = earlier.of_cells(notebook)
        bad, code = self._bad(executions.own, notebook["cells"])
        if code == exits.OK:
            if not self._options.keep:
                executions.stop_kernels()
            elif executions.own:
                kernel = executions.own[0]["runtime"]["id"]
                self._progress.say(f"its kernel is kept: {short(kernel)}")
            documents.close(notebook_id)
        return Ended(notebook, bad, code)

    def _bad(
        self, executions: list[dict[str, Any]], cells: list[dict[str, Any]]
    ) -> tuple[dict[str, Any] | None, int]:
        """Return the execution (with outputs) that ended the run, if one did, and the exit code."""
        tagged = {cell["execution"]["id"]: tags(cell) for cell in cells if cell["execution"]}
        for each in executions:
            may_fail = self._options.allow_errors or plan.MAY_FAIL in tagged.get(each["id"], ())
            if each["status"] == "done" or (may_fail and each["status"] == "error"):
                continue
            whole = session.call_again("execution.get", {"execution": each["id"]})
            code = exits.of_document(whole)
            # It may have called sys.exit(0), which ends a run well.
            return (None, code) if code == exits.OK else (whole, code)
        return None, exits.OK

    def _ended_elsewhere(self, run: dict[str, Any]) -> Ended:
        """Return how the file says that a run ended whose notebook another client has closed.

        Raises `ConflictFailure` where it does not say that it ended well.
        """
        out = self._options.out
        written = documents.present_at(out)
        if written is None or plan.run_of(written) != plan.run_of(run):
            raise ConflictFailure(f"the run was ended by another client, and {out} is not its own")
        if not plan.has_ended_well(written["cells"], allow_errors=self._options.allow_errors):
            raise ConflictFailure("the run was closed by another client before it ended well")
        return Ended({**run, "cells": []}, None, exits.OK)


def _why_lost(
    executions: earlier.Executions, cells: list[Any], asked: list[Any], good: int
) -> str | None:
    """Return why an earlier run cannot be gone on with, if it cannot."""
    if not good or not executions.own:
        return "no cell of it ended well"
    if plan.same_runs(cells, asked) < good:
        return "a cell that has run is another one now"
    ran = plan.runs(cells)[:good][-1]["execution"]["id"]
    last = next((each for each in executions.own if each["id"] == ran), executions.own[-1])
    runtime = earlier.runtime(last["runtime"]["id"])
    if runtime is None or runtime["status"] == "dead":
        return "its kernel has ended"
    if last["incarnation"] != runtime["incarnation"]:
        return "its kernel was restarted"
    return None


def failure_text(ended: Ended, out: str) -> str:
    """Return what is to be said of a run that did not end well."""
    cells, bad = ended.notebook["cells"], ended.bad
    if bad is None:
        return ""
    ids = [(cell["execution"] or {}).get("id") for cell in cells]
    errors = [output for output in bad["outputs"] if output["output_type"] == "error"]
    text = outputs.traceback(errors[-1]) if errors else ""
    if not takes_colour(2):
        text = without_ansi(text)
    how = bad["status"] if bad["reason"] is None else f"{bad['status']}: {bad['reason']}"
    where = f"a cell of {os.path.relpath(out)} that is gone"
    if bad["id"] in ids:
        where = f"cell {ids.index(bad['id']) + 1} of {len(cells)} in {os.path.relpath(out)}"
    return f"{text}runt: {where}: {how}\n"


__all__ = ["Detached", "Ended", "Job", "Options", "failure_text"]
