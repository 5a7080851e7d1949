/**
 * Files that are either whole or not there. A temporary file beside the target (same file system), fsync, rename, fsync of
 * the directory. The temporary's name carries the process id, so that what a killed process left can be swept.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

const TEMPORARY = /^\..+\.tmp-(\d+)-[0-9a-f]{12}$/

/** A fresh name beside `target`. It begins with a dot and does not end like the target, so no glob for targets finds it. */
export function temporaryPath(target: string): string {
  return join(dirname(target), `.${basename(target)}.tmp-${process.pid}-${randomBytes(6).toString('hex')}`)
}

/** Makes the directory's entries durable. Systems that cannot open a directory (Windows) have no such step. */
export async function syncDirectory(path: string): Promise<void> {
  let handle: Awaited<ReturnType<typeof open>>
  try {
    handle = await open(path, 'r')
  } catch (error) {
    if (['EISDIR', 'EPERM', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return
    throw error
  }
  try {
    await handle.sync()
  } catch (error) {
    if (!['EINVAL', 'EPERM', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  } finally {
    await handle.close()
  }
}

/** Puts a complete, synced temporary file in the target's place; readers see the old file or the new one. */
export async function renameDurably(temporary: string, target: string): Promise<void> {
  await rename(temporary, target)
  await syncDirectory(dirname(target))
}

/** Replaces `target` by `data`. On any failure the old file stays and nothing is left beside it. */
export async function writeFileAtomic(target: string, data: string | Uint8Array, options: { mode?: number } = {}): Promise<void> {
  await mkdir(dirname(target), { recursive: true })
  const temporary = temporaryPath(target)
  try {
    const handle = await open(temporary, 'wx', options.mode ?? 0o644)
    try {
      await handle.writeFile(data)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await renameDurably(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw error
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives and belongs to someone else.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Removes temporaries whose process is gone; returns their names. A directory that does not exist holds none. */
export async function sweepTemporaries(directory: string, alive: (pid: number) => boolean = isAlive): Promise<readonly string[]> {
  let names: string[]
  try {
    names = await readdir(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  const stray = names.filter((name) => {
    const pid = TEMPORARY.exec(name)?.[1]
    return pid !== undefined && !alive(Number(pid))
  })
  for (const name of stray) await rm(join(directory, name), { force: true })
  return stray
}
