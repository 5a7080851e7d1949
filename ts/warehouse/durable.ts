/** Finished files and new directories made durable; whole small files are written by `runtime/atomic-file.ts`. */
import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { renameDurably, syncDirectory } from '../runtime/atomic-file.ts'

/** Creates missing directories and makes their entries durable. */
export async function ensureDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made))
}

/** Moves a finished temporary file (same file system) to the name others read. `between` runs when its bytes are durable. */
export async function publishFile(
  temporary: string,
  target: string,
  between: () => void | Promise<void> = () => {},
): Promise<void> {
  const handle = await open(temporary, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
  await between()
  await renameDurably(temporary, target)
}
