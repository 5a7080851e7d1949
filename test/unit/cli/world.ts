import { Writable } from 'node:stream'
import type { CliWorld } from '../../../ts/cli/context.ts'
import type { EngineHandle } from '../../../ts/cli/engine.ts'
import { createScrubber } from '../../../ts/runtime/scrub.ts'
import { CATALOG } from '../config/fake-adapters.ts'

/** A stream that keeps what was written; `isTTY` makes it look like a terminal. */
export class Collector extends Writable {
  text = ''
  isTTY = false
  columns = 100
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

export type TestWorld = CliWorld & { readonly stdout: Collector; readonly stderr: Collector; readonly stop: AbortController }

/** A world without process: streams that collect, no environment, and an engine only if the test brings one. */
export function testWorld(
  more: Partial<Omit<CliWorld, 'stdout' | 'stderr' | 'signal'>> & { engine?: Partial<EngineHandle> } = {},
): TestWorld {
  const stop = new AbortController()
  const { engine, ...rest } = more
  return {
    stdout: new Collector(),
    stderr: new Collector(),
    stop,
    signal: stop.signal,
    variables: {},
    cwd: '/nowhere',
    home: '/nowhere',
    version: '1.2.3',
    clock: { now: () => Date.UTC(2026, 10, 21) },
    adapters: async () => CATALOG,
    openEngine: async () => {
      if (engine === undefined) throw new Error('this test has no engine')
      return { close: async () => {}, ...engine } as EngineHandle
    },
    scrubber: createScrubber(),
    ...rest,
  }
}
