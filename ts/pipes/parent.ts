/**
 * Notices that nobody waits for this process any more. When Dagster's run process is killed, its children live on, call
 * providers and hold leases, while Dagster already starts the next attempt.
 */

export type ParentWatch = {
  /** Called once. */
  readonly onOrphaned: () => void
  /** The process that waits in the end, when something (npm, a shell) stands between; null: only the parent is looked at. */
  readonly launcherPid?: number | null
  readonly everyMs?: number
  readonly parentPid?: () => number
  readonly isAlive?: (pid: number) => boolean
}

const DEFAULT_EVERY_MS = 200

function processIsAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives and belongs to someone else.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Looks five times a second, without keeping the process alive. Returns how to stop. */
export function watchParent(options: ParentWatch): () => void {
  const parentPid = options.parentPid ?? (() => process.ppid)
  const isAlive = options.isAlive ?? processIsAlive
  const launcherPid = options.launcherPid ?? null
  const first = parentPid()
  const timer = setInterval(() => {
    if (parentPid() === first && (launcherPid === null || isAlive(launcherPid))) return
    clearInterval(timer)
    options.onOrphaned()
  }, options.everyMs ?? DEFAULT_EVERY_MS)
  timer.unref()
  return () => clearInterval(timer)
}
