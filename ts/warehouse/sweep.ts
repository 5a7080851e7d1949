/**
 * Removes what nobody needs any more: temporary directories of exports that died, and Parquet files that the manifest no
 * longer names, the latter only after a grace period, because a reader that opened the old catalog may be half way through
 * them. Ages are judged by the file system's own clock (times of files it has just written against times it has kept):
 * the engine's clock may be a sandbox's, which jumps by days.
 */
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { HOUR_MS } from '../model/time.ts'
import { writeFileAtomic } from '../runtime/atomic-file.ts'
import { generationOf, type Layout, safeSegment, TABLES } from './layout.ts'

export const GRACE_MS = HOUR_MS

// ---------------------------------------------------------------- temporary directories

function temporaryName(token: number): string {
  return `${safeSegment(hostname())}~${process.pid}~${token}`
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** True when the process that made it is known to be gone. This process holds the export lease, so its own are left-overs. */
function isLeftOver(name: string): boolean {
  const [host, pid] = name.split('~')
  if (host !== safeSegment(hostname()) || pid === undefined || !/^\d+$/.test(pid)) return false
  return Number(pid) === process.pid || !isAlive(Number(pid))
}

/** Makes this export's own temporary directory and removes those of the dead. */
export async function openTemporary(layout: Layout, token: number): Promise<string> {
  const own = join(layout.temp, temporaryName(token))
  await rm(own, { recursive: true, force: true })
  await mkdir(own, { recursive: true })
  const { mtimeMs: nowMs } = await stat(own)
  for (const name of await readdir(layout.temp)) {
    const path = join(layout.temp, name)
    if (path === own) continue
    const expired = async () => nowMs - (await stat(path)).mtimeMs > GRACE_MS
    if (isLeftOver(name) || (await expired().catch(() => false))) await rm(path, { recursive: true, force: true })
  }
  return own
}

// ---------------------------------------------------------------- data files

/** Data files of ours on disk, relative to the warehouse; files of other names are nobody's business here. */
export async function dataFiles(layout: Layout): Promise<readonly string[]> {
  const found: string[] = []
  async function walk(relative: string, depth: number): Promise<void> {
    for (const entry of await readdir(join(layout.root, relative), { withFileTypes: true })) {
      const path = `${relative}/${entry.name}`
      if (entry.isDirectory() && depth > 0) await walk(path, depth - 1)
      else if (entry.isFile() && generationOf(path) !== null) found.push(path)
    }
  }
  for (const table of TABLES) await walk(table, table === 'ledger' || table === 'records' ? 1 : 0)
  return found
}

/** Since when (file system time, ms) a file has been found unreferenced. */
const unreferencedSchema = z.record(z.string(), z.number())

async function readUnreferenced(path: string): Promise<ReadonlyMap<string, number>> {
  try {
    return new Map(Object.entries(unreferencedSchema.parse(JSON.parse(await readFile(path, 'utf8')))))
  } catch {
    // Missing or damaged: every grace period starts again, which only delays deletion.
    return new Map()
  }
}

/**
 * Deletes files that no catalog has named for the grace period; call it after the catalog was replaced. Returns how many.
 */
export async function sweepUnreferenced(layout: Layout, named: ReadonlySet<string>, temporary: string): Promise<number> {
  const since = await readUnreferenced(layout.unreferenced)
  const probe = join(temporary, 'clock')
  await writeFile(probe, '')
  const { mtimeMs: nowMs } = await stat(probe)
  const kept: [string, number][] = []
  let deleted = 0
  for (const file of await dataFiles(layout)) {
    if (named.has(file)) continue
    const first = Math.min(since.get(file) ?? nowMs, nowMs)
    if (nowMs - first <= GRACE_MS) {
      kept.push([file, first])
      continue
    }
    await rm(join(layout.root, file), { force: true })
    deleted += 1
  }
  if (kept.length > 0 || since.size > 0) {
    await writeFileAtomic(layout.unreferenced, `${JSON.stringify(Object.fromEntries(kept))}\n`)
  }
  return deleted
}
