import type { Plan } from '../../model/plan.ts'
import { defineCommand, flag } from '../command.ts'
import { refreshDocument } from '../documents.ts'
import { dryRunText } from '../dry-run-text.ts'
import { PROGRAM } from '../help.ts'
import { runExitCode } from '../run-exit-code.ts'
import { runProgress } from '../run-progress.ts'
import { runText } from '../run-text.ts'
import { goneRemarks, refreshRequest, SELECTION_OPTIONS } from '../selection.ts'

export const refresh = defineCommand({
  name: 'refresh',
  summary: 'Ask the sources about what is due, write what changed, and say what was done',
  description:
    'Without options: all that is due at all enabled sources, under their quotas. Stopped by Ctrl-C or SIGTERM it saves its state within seconds and the same command goes on from there. Several processes may run it at once; quotas hold over all of them.',
  options: { ...SELECTION_OPTIONS, 'dry-run': flag('Make no call, write nothing, list what would be done') },
  examples: [
    { command: 'refresh', does: 'All that is due.' },
    { command: 'refresh --source sam_gov --window 2023-10-01:2023-10-07', does: 'An ad-hoc backfill of one week at one source.' },
    { command: 'refresh --partition usaspending:award_year_2024 --force', does: 'One partition, due or not.' },
    { command: 'refresh --source sam_gov --max-calls 100', does: 'Spend at most 100 calls of the day.' },
    { command: 'refresh --dry-run --json', does: 'What would be done, as data.' },
  ],
  async handler(context, args) {
    const dryRun = args['dry-run']
    const loaded = await context.config()
    const request = refreshRequest(args, loaded)
    for (const remark of goneRemarks(request, loaded)) context.note(remark)
    const engine = await context.engine({ readOnly: dryRun })
    const progress = runProgress(context, () => engine.clock.now())
    let plan: Plan | null = null
    const report = await engine
      .refresh(request, {
        dryRun,
        signal: context.signal,
        command: context.commandLine,
        onEvent: (event) => {
          if (event.kind === 'run_started') plan = event.plan
          if (!dryRun) progress.onEvent(event)
        },
      })
      .finally(() => progress.stop())
    const exitCode = runExitCode(report)
    const shown = dryRun ? (plan as Plan | null) : null
    await context.show(refreshDocument(report, exitCode, shown), () =>
      shown === null ? runText(report, context) : dryRunText(report, shown, request.limit, context),
    )
    // A mistyped --state is a new file, in which everything is as fresh as nothing can be.
    if (!dryRun && Object.keys(await engine.store.countEntities()).length === 0)
      context.note(`${loaded.config.state.path} holds no entities. Load some first: ${PROGRAM} ingest --awards FILE`)
    return exitCode
  },
})
