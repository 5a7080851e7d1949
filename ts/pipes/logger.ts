import type { PipesLogLevel } from './protocol.ts'

/** Log messages of the step, by level; they appear in the run's event log. */
export class PipesLogger {
  readonly #log: (message: string, level: PipesLogLevel) => void

  constructor(log: (message: string, level: PipesLogLevel) => void) {
    this.#log = log
  }

  debug(message: string): void {
    this.#log(message, 'DEBUG')
  }

  info(message: string): void {
    this.#log(message, 'INFO')
  }

  warning(message: string): void {
    this.#log(message, 'WARNING')
  }

  error(message: string): void {
    this.#log(message, 'ERROR')
  }

  critical(message: string): void {
    this.#log(message, 'CRITICAL')
  }
}
