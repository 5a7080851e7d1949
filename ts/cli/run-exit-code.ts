/** What a finished run means for whoever started it. Pure. */
import { EXIT_CODES } from '../model/errors.ts'
import type { PartitionReport, RunReport } from '../model/run-report.ts'

/**
 * Interrupted outranks failed outranks "later": a run that was stopped says so even if something failed before, and what
 * failed is not hidden by what merely has to wait. A source that was held back waits like a partition. A dry run has done
 * what it should.
 */
export function runExitCode(report: RunReport): number {
  if (report.dryRun) return 0
  if (report.interrupted) return EXIT_CODES.interrupted
  const failed = report.partitions.filter((part) => part.status === 'failed')
  if (failed.length > 0) return failed.every(needsPerson) ? EXIT_CODES.configuration : EXIT_CODES.failed
  const waits = report.heldBack.length > 0 || report.partitions.some((part) => part.status !== 'done')
  return waits ? EXIT_CODES.try_later : 0
}

/** A partition that failed for its credentials (none set, unusable, refused) or its configuration needs a person, not another try. */
function needsPerson({ code }: PartitionReport): boolean {
  return code === 'credentials' || code === 'configuration'
}
