"""Ends the records of runs whose process is gone: `python -m dagster_project.dead_runs`, with DAGSTER_HOME set.

For the start of a host, before the daemon: what a power cut or a kill has left STARTED would hold its source and a slot until run
monitoring looks. `npm run dagster` calls it at each start. A run that a living process executes, or of which that cannot be known
(another host, another container), is left alone, unless `--all` says that nothing executes runs of this instance now.
"""

import argparse
import sys
from collections.abc import Sequence

import dagster as dg

from dagster_project.lib.in_flight import PARTITION_TAG
from dagster_project.lib.run_workers import worker_state

_UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_WHY = "The process that executed this run is gone (power cut, kill -9, out of memory). The next run of its partition goes on."


def end_dead_runs(instance: dg.DagsterInstance, *, all_are_dead: bool = False) -> list[dg.DagsterRun]:
    """Returns those that it ended: as failed, or as canceled where that was under way."""
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY)):
        if not all_are_dead and worker_state(instance, run) != "dead":
            continue
        # It may have ended by itself meanwhile; its process wrote that before it went.
        now = instance.get_run_by_id(run.run_id)
        if now is None or now.is_finished:
            continue
        if now.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(now, _WHY)
        else:
            instance.report_run_failed(now, _WHY)
        ended.append(now)
    return ended


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m dagster_project.dead_runs", description=(__doc__ or "").splitlines()[0])
    help_all = "nothing executes runs of this instance now: end all that have started"
    parser.add_argument("--all", action="store_true", help=help_all)
    options = parser.parse_args(arguments)
    with dg.DagsterInstance.get() as instance:
        for run in end_dead_runs(instance, all_are_dead=options.all):
            about = run.tags.get(PARTITION_TAG) or ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ()))
            sys.stdout.write(f"Run {run.run_id} ({about or run.job_name}) had no process any more; it is ended.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
