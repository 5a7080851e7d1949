/** Clients of sources that must not be asked as they are configured. */
import type { SourceClient } from './source-client.ts'

/** Refuses every call for good: somebody has to change the configuration, as for a credential that is missing. */
export function refusingClient(message: string): SourceClient & { close(): Promise<void> } {
  return {
    async call() {
      return { kind: 'refused', why: 'credential', message, until: null, stats: { calls: 0, quotaWaitMs: 0 } }
    },
    async close() {},
  }
}
