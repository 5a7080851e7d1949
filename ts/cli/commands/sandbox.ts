import { once } from 'node:events'
import { resolve } from 'node:path'
import { z } from 'zod'
import { EngineError, EXIT_CODES, messageOf } from '../../model/errors.ts'
import { toIso } from '../../model/time.ts'
import type { SandboxSettings } from '../../sandbox/sandbox.ts'
import type { RunningSandbox, SandboxOptions } from '../../sandbox/server.ts'
import type { WrittenFile } from '../../sandbox/write-files.ts'
import * as arg from '../arguments.ts'
import { defineCommand, flag, text } from '../command.ts'
import type { CliContext } from '../context.ts'
import { bytes } from '../format.ts'
import { PROGRAM } from '../help.ts'

const speed = z
  .string()
  .refine((value) => /^\d{1,6}(\.\d+)?$/.test(value) && Number(value) > 0, 'must be a number above 0, e.g. 60')
  .transform(Number)

export const sandbox = defineCommand({
  name: 'sandbox',
  summary: 'Serve all providers on this machine, over one generated world: no key, no network',
  description:
    'Answers as the real providers do: same paths, paging, error bodies and quotas. Runs until Ctrl-C. Use it with --env sandbox in another terminal. Its world moves with time, and by hand: POST /_admin/clock {"advance":"1d"}.',
  options: {
    seed: text('The same seed gives the same world; default: 7', 'N', arg.wholeNumber),
    companies: text('Companies in it; default: 2000', 'N', arg.count),
    awards: text('Awards in it; default: 6000', 'N', arg.count),
    port: text('Port on loopback, 0 for any; default: 8585', 'PORT', arg.port),
    speed: text('World time runs so many times as fast, and quotas with it; default: 1', 'N', speed),
    'publish-every': text('SBIR.gov publishes a new bulk file so often (world time); default: 30d', 'DURATION', arg.span),
    'write-csv': text('Write the matching bulk files there: award_data.csv, award_data_no_abstract.csv, company_data.csv', 'DIR'),
    'no-serve': flag('Only write the files'),
  },
  examples: [
    { command: 'sandbox --seed 7 --write-csv data/demo', does: 'Start it and write the files to ingest.' },
    {
      command: 'ingest --awards data/demo/award_data.csv --companies data/demo/company_data.csv --env sandbox',
      does: 'In another terminal: load them.',
    },
    { command: 'refresh --env sandbox', does: 'And refresh against it.' },
  ],
  async handler(context, args) {
    if (args['no-serve'] && args['write-csv'] === undefined) {
      throw new EngineError('usage', 'usage', '--no-serve without --write-csv leaves nothing to do', {
        hint: 'add --write-csv DIR',
      })
    }
    const settings = {
      seed: args.seed ?? 7,
      companies: args.companies ?? 2000,
      awards: args.awards ?? 6000,
      speed: args.speed ?? 1,
    }
    const directory = args['write-csv']
    // Written before anything answers: whoever waits for the sandbox finds the files complete.
    const files = directory === undefined ? null : await writeFiles(settings, resolve(context.world.cwd, directory))
    const filesText = (files ?? []).map((file) => `${file.path}: ${bytes(file.bytes)}\n`).join('')
    if (args['no-serve']) {
      const now = toIso((await import('../../sandbox/world/world.ts')).DEFAULT_START_AT)
      await context.show({ serving: false, url: null, admin_url: null, ...settings, now, files }, () => filesText)
      return 0
    }
    const publishing = args['publish-every'] === undefined ? {} : { sbirPublishEvery: args['publish-every'] }
    const running = await start({ ...settings, ...publishing, port: args.port ?? DEFAULT_PORT })
    try {
      const now = toIso(running.sandbox.clock.now())
      const document = { serving: true, url: running.url, admin_url: `${running.url}/_admin/`, ...settings, now, files }
      const addresses = running.port === DEFAULT_PORT ? [] : await sandboxAddresses(context)
      await context.show(document, () => `${filesText}${running.banner}\n${howToUse(running, addresses)}`)
      if (!context.signal.aborted) await once(context.signal, 'abort')
      // It was told to stop, and it holds nothing that could be lost.
      return EXIT_CODES.interrupted
    } finally {
      await running.close()
    }
  },
})

const DEFAULT_PORT = 8585

/** With another port than the one in config/sandbox.yaml, every address there has to be set: those of all sources, and of the clock. */
export function howToUse({ port, url }: Pick<RunningSandbox, 'port' | 'url'>, addresses: readonly ConfiguredAddress[]): string {
  const moved = addresses.map(({ path, address }) => `--set ${path}=${url}${new URL(address).pathname.replace(/^\/$/, '')}`)
  if (port !== DEFAULT_PORT && moved.length === 0)
    return `Use it with addresses at ${url} in config/sandbox.yaml, and --env sandbox.\nStop it with Ctrl-C.\n`
  const flags = port === DEFAULT_PORT ? '--env sandbox' : `--env sandbox \\\n  ${moved.join(' \\\n  ')}`
  return `Use it from another terminal with: ${flags}\nStop it with Ctrl-C.\n`
}

/** An address of the sandbox in the configuration: `enrichment.edgar.other_urls.www`. */
export type ConfiguredAddress = { readonly path: string; readonly address: string }

/** Every address in `config/sandbox.yaml` that is one of the sandbox at its usual port. Empty when the file is not there or broken. */
export async function sandboxAddresses(context: CliContext): Promise<readonly ConfiguredAddress[]> {
  const { loadConfig } = await import('../../config/load.ts')
  const request = await context.configRequest()
  // A configuration that cannot be loaded is no reason not to serve: whoever uses it is told what is wrong with it.
  const config = await loadConfig({ ...request, environment: 'sandbox', settings: [] }).then(
    (loaded) => loaded.config,
    () => null,
  )
  if (config === null) return []
  const all = [
    { path: 'clock.sandbox_url', address: config.clock.sandbox_url ?? '' },
    ...Object.entries(config.enrichment).flatMap(([source, { base_url: base, other_urls: others }]) => [
      { path: `enrichment.${source}.base_url`, address: base },
      ...Object.entries(others ?? {}).map(([name, address]) => ({ path: `enrichment.${source}.other_urls.${name}`, address })),
    ]),
  ]
  return all.filter(({ address }) => URL.canParse(address) && new URL(address).host === `127.0.0.1:${DEFAULT_PORT}`)
}

async function start(options: SandboxOptions): Promise<RunningSandbox> {
  const { startSandbox } = await import('../../sandbox/server.ts')
  try {
    return await startSandbox(options)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      throw new EngineError('usage', 'port_taken', `port ${options.port} is taken, perhaps by another sandbox`, {
        hint: 'stop that one, or give --port 0 for any free one',
      })
    }
    if (error instanceof RangeError) throw senseless(error)
    throw error
  }
}

function senseless(cause: RangeError): EngineError {
  return new EngineError('usage', 'usage', cause.message, { hint: `see: ${PROGRAM} sandbox --help`, cause })
}

async function writeFiles(settings: SandboxSettings, directory: string): Promise<readonly WrittenFile[]> {
  const { writeBulkFiles } = await import('../../sandbox/write-files.ts')
  const { createWorld, DEFAULT_START_AT } = await import('../../sandbox/world/world.ts')
  const { seed, companies, awards } = settings
  try {
    return await writeBulkFiles(createWorld({ seed, companies, awards, startAt: DEFAULT_START_AT }), DEFAULT_START_AT, directory)
  } catch (error) {
    if (error instanceof RangeError) throw senseless(error)
    throw new EngineError('failed', 'write_failed', `the files cannot be written to ${directory}: ${messageOf(error)}`, {
      hint: 'name a directory that you may write to',
      cause: error,
    })
  }
}
