/**
 * Environment variables that point config/sandbox.yaml at a sandbox on another port. Read from that file, so that a source added
 * there is found here. As a program it prints them as JSON, for scripts that run before the right Node is there:
 *
 *   node scripts/with-node.mjs scripts/sandbox-env.ts 8586
 */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

const USUAL = 'http://127.0.0.1:8585'

/** `ENRICHMENT__…` overrides for every address of the file that is on the usual port. `root`: the repository. */
export function sandboxEnvironment(root: string, port: number): Record<string, string> {
  const config: unknown = parse(readFileSync(join(root, 'config', 'sandbox.yaml'), 'utf8'))
  const found: Record<string, string> = {}
  const walk = (value: unknown, path: readonly string[]): void => {
    if (typeof value === 'string') {
      if (value.startsWith(USUAL))
        found[`ENRICHMENT__${path.join('__').toUpperCase()}`] = `http://127.0.0.1:${port}${value.slice(USUAL.length)}`
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, member] of Object.entries(value)) walk(member, [...path, name])
    }
  }
  walk(config, [])
  return found
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..')
  process.stdout.write(`${JSON.stringify(sandboxEnvironment(root, Number(process.argv[2])))}\n`)
}
