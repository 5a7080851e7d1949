"""Tries a failed step again, as `dg.RetryPolicy` does, but not one that was interrupted.

Dagster (1.13) holds an interruption against a step with a retry policy as any other failure: a run that is terminated then
sleeps, tries again and ends in SUCCESS. A step that asks for its retries itself is simply CANCELED.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

MAX_RETRIES = 2


@contextmanager
def retried(context: dg.AssetExecutionContext, *, delay_s: float, max_retries: int = MAX_RETRIES) -> Iterator[None]:
    """`dg.Failure`s within become `dg.RetryRequested` until there were `max_retries`: after `delay_s`, twice that, and so on,
    more or less. What allows no retry, and what asks for one itself, goes through."""
    try:
        yield
    except dg.Failure as failure:
        tries = context.retry_number
        if not failure.allow_retries or tries >= max_retries:
            raise
        wait_s = delay_s * 2**tries * random.uniform(0.75, 1.25)
        context.log.warning(f"again in {wait_s:.0f} s, try {tries + 2} of {max_retries + 1}: {failure.description}")
        raise dg.RetryRequested(max_retries=tries + 1, seconds_to_wait=wait_s) from failure
