/** Plays Dagster's part for a worker: context, message file, environment; and reads what it wrote. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { encodeParams } from '../../ts/pipes/params.ts'

export const ROOT = join(import.meta.dirname, '../..')
export const GOLDEN = join(import.meta.dirname, 'pipes-golden.ts')

export type Message = {
  readonly __dagster_pipes_version: string
  readonly method: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into messages of any shape
  readonly params: any
}

export type Session = {
  readonly dir: string
  readonly messagesFile: string
  readonly env: Readonly<Record<string, string>>
  readonly cliArguments: readonly string[]
  messages(): readonly Message[]
}

export type Finished = {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

const dirs: string[] = []
const children = new Set<ChildProcess>()
afterEach(() => {
  // A test that failed half way leaves nobody behind; a worker notices that its parent is gone.
  for (const child of children) child.kill('SIGKILL')
  children.clear()
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true })
})

export function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), 'pipes-'))
  dirs.push(dir)
  return dir
}

/** What Dagster sends for a step of one asset without a partition. */
export const STEP = {
  asset_keys: ['my_asset'],
  code_version_by_asset_key: { my_asset: null },
  provenance_by_asset_key: { my_asset: null },
  partition_key: null,
  partition_key_range: null,
  partition_time_window: null,
  run_id: '2f0a7a2e-1b7f-4b0a-8f0c-0b3b1f3c5a10',
  job_name: 'a_job',
  retry_number: 0,
  extras: {},
}

/** `channel`: parameters of the message writer; the message file unless said otherwise. */
export function session(
  step: Partial<Record<keyof typeof STEP, unknown>> = {},
  options: { readonly inline?: boolean; readonly channel?: Readonly<Record<string, unknown>> } = {},
): Session {
  const dir = scratch()
  const messagesFile = join(dir, 'messages')
  const contextFile = join(dir, 'context')
  const data = { ...STEP, ...step }
  writeFileSync(contextFile, JSON.stringify(data))
  writeFileSync(messagesFile, '')
  const context = encodeParams(options.inline ? { data } : { path: contextFile })
  const messages = encodeParams(options.channel ?? { path: messagesFile, include_stdio_in_messages: false })
  return {
    dir,
    messagesFile,
    env: { DAGSTER_PIPES_CONTEXT: context, DAGSTER_PIPES_MESSAGES: messages },
    cliArguments: ['--dagster-pipes-context', context, '--dagster-pipes-messages', messages],
    messages: () => (existsSync(messagesFile) ? parseMessages(readFileSync(messagesFile, 'utf8')) : []),
  }
}

/** Every line is a whole message and the last one ends; anything else is the failure that is looked for. */
export function parseMessages(text: string): readonly Message[] {
  if (text === '') return []
  if (!text.endsWith('\n')) throw new Error(`the last line has no end: ${text.slice(-200)}`)
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line) as Message)
}

export function start(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ChildProcess & { finished: Promise<Finished> } {
  const base = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DAGSTER_PIPES_')))
  const child = spawn(process.execPath, [...argv], { cwd: ROOT, env: { ...base, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  child.on('close', () => children.delete(child))
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return Object.assign(child, { finished })
}

export function golden(what: object, env: Readonly<Record<string, string>>, more: readonly string[] = []): Promise<Finished> {
  return start([GOLDEN, JSON.stringify(what), ...more], env).finished
}
