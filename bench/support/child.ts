/** Runs a benchmark's measuring half in a process of its own, so that its memory and CPU are those of the work alone. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** The last line that the process prints is its result as JSON. */
export async function runApart<T>(file: string, args: readonly string[]): Promise<T> {
  const { stdout } = await promisify(execFile)(process.execPath, [file, ...args], { maxBuffer: 64_000_000 })
  const line = stdout.trimEnd().split('\n').at(-1)
  if (line === undefined) throw new Error(`${file} ${args.join(' ')} printed nothing`)
  return JSON.parse(line) as T
}
