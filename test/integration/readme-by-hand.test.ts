/** The commands that the README shows, pasted as they stand, in a directory of their own and against a smaller, faster world. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

const REPOSITORY = join(import.meta.dirname, '../..')

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'readme-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** The block below the heading, and what it names in the world of the test. */
async function commands(port: number): Promise<readonly string[]> {
  const readme = await readFile(join(REPOSITORY, 'README.md'), 'utf8')
  const block = /## By hand\n\n```sh\n([\s\S]+?)```/.exec(readme)?.[1]
  expect(block).toBeDefined()
  return block!
    .trimEnd()
    .split('\n')
    .map((line) =>
      line
        .replace('cli.js sandbox', `cli.js sandbox --companies 40 --awards 100 --speed 240 --port ${port}`)
        .replaceAll('--env sandbox', `--env sandbox --config-dir ${join(home, 'config')}`)
        .replaceAll(':8585', `:${port}`),
    )
}

it('every command ends well, one after the other, and the warehouse is where the last one looks for it', async () => {
  const port = await freePort()
  for (const name of ['ts', 'node_modules', 'package.json']) await symlink(join(REPOSITORY, name), join(home, name))
  await cp(join(REPOSITORY, 'config'), join(home, 'config'), { recursive: true })
  const file = join(home, 'config', 'sandbox.yaml')
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll(':8585', `:${port}`))
  const lines = await commands(port)
  const last = lines.at(-1)!
  expect(last).toMatch(/^duckdb -readonly \S+ "select /)
  // The last one needs a program of its own; that it finds a database is looked at here.
  const script = ['set -e', 'trap "kill %1; wait" EXIT', ...lines.slice(0, -1)].join('\n')
  const shell = spawn('bash', ['-m', '-c', script], {
    cwd: home,
    env: { PATH: process.env['PATH'] ?? '', HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [shell.stdout, shell.stderr])
    stream.on('data', (chunk) => {
      output += chunk
    })
  const [code] = await once(shell, 'close')
  expect(code, output).toBe(0)
  expect(output).toMatch(/usaspending/)
  expect(existsSync(join(home, last.split(' ')[2]!)), `${last}\n${await readdir(join(home, 'data', 'warehouse'))}`).toBe(true)
}, 180_000)
