/** What commands need of the engine. `ts/wiring.ts` provides it; tests may provide a smaller one. */
import type { Engine, EngineOptions } from '../wiring.ts'

export type EngineHandle = Engine

export type OpenEngine = (
  options: Required<Pick<EngineOptions, 'config' | 'logger' | 'readOnly' | 'scrubber' | 'env'>>,
) => Promise<EngineHandle>
