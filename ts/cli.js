#!/usr/bin/env node
// The launcher: plain JavaScript for any Node that may be installed. The program itself is TypeScript that Node >= 24 runs
// as it is; under an older Node this starts it with the Node that `npm ci` put into node_modules.
import { launch } from './cli/launcher.js'

await launch(process.argv.slice(2))
