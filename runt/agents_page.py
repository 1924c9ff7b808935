"""What ``runt help agents`` prints: a page to be pasted into an agent's instructions."""

from __future__ import annotations

PAGE = """\
# Running code with runt

`runt` runs code in REPLs (Jupyter kernels: Python, R, bash, ...) that live on between commands:
what one has imported, defined or loaded is there in the next. A service owns them. It writes down
every run with all that it prints, so nothing is lost when a command, a shell or you go away.
Without --runtime it is the one REPL of this project's directory, started when it is needed.

  runt eval --max-chars 4000 --wait 30 'total = 6 * 7; total'   # run code, see what it printed
  runt eval --max-chars 4000 --wait 30 -f FILE -- --epochs 3    # run a file; sys.argv after the --
  runt eval --max-chars 4000 --save-images DIR 'CODE'   # plots as files, DIR/<id>-1.png and so on
  runt output ID --max-chars 4000 --wait 60       # wait for a run that goes on, and see it
  runt output ID --max-chars 4000 --grep 'loss|Error'   # of a long output, what matters of it
  runt interrupt ID                               # end a run; what it has printed stays
  runt reply ASKING 'yes'                         # answer the input() of a run
  runt vars                                       # names, types and shapes, while it computes too
  runt history --number 10                        # what ran here, by whom, and how it ended
  runt start --name lab                           # one more REPL; then eval --runtime lab
  runt ps                                         # which REPLs there are
  runt stop lab                                   # end one; its record stays

ID is what stderr names when --wait is over, and the first column of `runt history`. Set RUNT_AGENT
to your name: the person then sees what you did (`runt history --by NAME`), and can end it.

## Exit codes

0 done · 1 the code raised: the text ends with the exception · 2 wrong usage · 3 no such thing ·
4 not in this state · 5 no service · 6 the kernel did not start · 7 denied · 8 the kernel died, its
variables are gone · 124 --wait is over and it RUNS ON: do not run it again, see `runt output` ·
130 interrupted. A sentence on stderr says more.

## Reading long output

--max-chars N (200 or more) bounds what you read. Of long output you see head and tail; a line
between says how much is left out, the last line how to get it. Progress bars are their last state,
repeated lines are counted, tracebacks are trimmed. Nothing is cut in the record: `runt output ID`
prints all of it, --tail, --grep, --lines and --cursor parts of it, which fit with --max-chars.
Images are named in the text, never in it: --save-images writes them, afterwards too:
`runt output ID --save-images DIR`. --format markdown is the same in Markdown. --json prints one
JSON document in its last line, with --max-chars the text as .rendered.text; without it, each event
in a line of its own before that.

## What to keep in mind

- A kernel is not a sandbox: code in it can do whatever the person who runs it can do.
- Code that waits for input() without a piped stdin gets an end of file; with --no-stdin it waits,
  and stderr says so. A long run needs no nohup and no &: --wait 5 leaves it running.
- One REPL runs one thing at a time, the rest is queued. Use another for what shall not wait.
- `runt restart NAME` begins anew with no variables. `runt environments` lists what else can be
  started, such as R: `runt eval --kernel ir` uses it; --with pandas adds packages to a new REPL.
"""
