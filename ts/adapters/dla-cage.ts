/** DLA CAGE codes from the monthly PUB LOG file: there is no API. `docs/adapters/dla_cage.md`. */
import { z } from 'zod'
import type { SourceAdapter } from './adapter.ts'
import { cageCode } from './dla-cage/cage-code.ts'
import { classifyCage } from './dla-cage/classify.ts'
import { cageFile, pageRequest } from './dla-cage/file.ts'
import { cageIdentity } from './dla-cage/identity.ts'

export const dlaCage: SourceAdapter = {
  id: 'dla_cage',
  title: 'DLA CAGE codes (FLIS PUB LOG file)',
  docs: 'https://www.dla.mil/Information-Operations/FLIS-Data-Electronic-Reading-Room/',
  entityKinds: ['company'],
  normalizerVersion: 1,
  credentials: [],
  options: z.strictObject({
    reading_room: z
      .string()
      .regex(/^\/(?!\/)[A-Za-z0-9/_.~-]*$/, { error: 'is no path; write it as /Information-Operations/…/' })
      .default('/Information-Operations/FLIS-Data-Electronic-Reading-Room/')
      .describe('Page that links to CAGE.zip; the link itself changes with each edition'),
  }),

  cohort: { numbered: true, name: () => 'cage_batch', date: () => null },
  readProviderKey: (text) => cageCode(text) ?? text,
  providerKeyProblem: (key) => (cageCode(key) === key ? null : 'a CAGE code is five digits and letters, without I and O: 1ABC2'),
  unresolvable: () => null,
  identityRequired: true,
  resolve: cageIdentity,
  reads: ['sam_gov'],

  file: cageFile,
  probe: ({ options }) => pageRequest('cage.probe', options),
  classify: classifyCage,

  // Which office administers contracts says nothing about the company.
  volatile: ['$.cao'],
  arrayKeys: {},
  unordered: [],
}
