"""Tries a failed step again, as `dg.RetryPolicy` does, but not one that was interrupted.

Dagster (1.13) holds an interruption against a step with a retry policy as any other failure: a run that is terminated then
sleeps, tries again and ends in SUCCESS. A step that asks for its retries itself is simply CANCELED.

Dagster counts every try of a step alike. Here a step that waits (for a quota, a lease, a source that is down) and one that failed
are counted apart, so that waiting uses up none of the tries that failures have. What a run has done so far is read from its own
events, which outlive its process.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

MAX_RETRIES = 2


class Waits(dg.RetryRequested):
    """The step is to be tried again later, and has not failed. By its name it is known in the run's events."""


class FailedTry(dg.RetryRequested):
    """The step failed and is to be tried again."""


@dataclass(frozen=True)
class Tries:
    """What came of the earlier tries of a step in its run."""

    failures: int = 0
    waits: int = 0
    #: Seconds that those waits took in all, without the work between them.
    waited_s: float = 0


def earlier_tries(context: dg.AssetExecutionContext) -> Tries:
    if context.retry_number == 0:
        return Tries()
    step = context.op_execution_context.get_step_execution_context().step.key
    records = context.instance.get_records_for_run(context.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY).records
    failures, waits, waited_s = 0, 0, 0.0
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None or event.step_key != step:
            continue
        data = event.step_retry_data
        if data.error is not None and data.error.cls_name == Waits.__name__:
            waits += 1
            waited_s += data.seconds_to_wait or 0
        else:
            failures += 1
    return Tries(failures, waits, waited_s)


@contextmanager
def retried(context: dg.AssetExecutionContext, *, delay_s: float, max_retries: int = MAX_RETRIES) -> Iterator[None]:
    """Errors within (no process could be started, a database was locked, a `dg.Failure`) become `FailedTry` until there were
    `max_retries`: after `delay_s`, twice that, and so on, more or less. A failure that allows no retry, what asks for one itself
    and an interruption (no `Exception`) go through."""
    try:
        yield
    except dg.RetryRequested:
        raise
    except Exception as error:
        if isinstance(error, dg.Failure) and not error.allow_retries:
            raise
        failures = earlier_tries(context).failures
        if failures >= max_retries:
            raise
        wait_s = delay_s * 2**failures * random.uniform(0.75, 1.25)
        why = error.description if isinstance(error, dg.Failure) else f"{type(error).__name__}: {error}"
        context.log.warning(f"again in {wait_s:.0f} s, try {failures + 2} of {max_retries + 1}: {why}")
        raise FailedTry(max_retries=context.retry_number + 1, seconds_to_wait=wait_s) from error
