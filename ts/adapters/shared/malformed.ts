import { EngineError } from '../../model/errors.ts'

/**
 * The provider's answer cannot be what it should be (a list where an object belongs, a page that leads nowhere). The only
 * error that `parse` functions throw; the engine records it as class `malformed` and quarantines the answer.
 */
export class MalformedAnswer extends EngineError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('failed', 'malformed_answer', message, {
      ...options,
      hint: 'look at the quarantined answer; the provider may have changed its format',
    })
    this.name = 'MalformedAnswer'
  }
}
