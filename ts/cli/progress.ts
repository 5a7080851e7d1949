/** Bars on a terminal; nothing anywhere else. They go to stderr, so that stdout stays the result. */

import type { Writable } from 'node:stream'
import { Presets, SingleBar } from 'cli-progress'
import { plainText } from './format.ts'

export type Progress = {
  /** `total` may grow as more becomes known. */
  update(value: number, total: number, note: string): void
  stop(): void
}

export const NO_PROGRESS: Progress = { update() {}, stop() {} }

const BAR_COLUMNS = 24
/** What stands beside bar, label and note: two numbers and blanks. */
const NUMBER_COLUMNS = 30

export function createProgress(stream: Writable & { columns?: number }, label: string): Progress {
  const bar = new SingleBar(
    {
      stream,
      format: `${label} {bar} {value}/{total} {note}`,
      // The terminal's own settings stay as they are, so that a process that is killed leaves it usable.
      hideCursor: null,
      linewrap: null,
      clearOnComplete: true,
      barsize: BAR_COLUMNS,
      fps: 5,
      gracefulExit: false,
    },
    Presets.shades_classic,
  )
  const room = Math.max(0, (stream.columns ?? 80) - BAR_COLUMNS - NUMBER_COLUMNS - label.length)
  let started = false
  let largest = 0
  return {
    update(value, total, note) {
      largest = Math.max(largest, total, value)
      const payload = { note: plainText(note).slice(0, room) }
      if (!started) {
        bar.start(largest, value, payload)
        started = true
        return
      }
      bar.setTotal(largest)
      bar.update(value, payload)
    },
    stop() {
      if (started) bar.stop()
    },
  }
}
