#!/usr/bin/env node
// `refresh_enrichment …` is `enrichment refresh …`.
import { launch } from './cli/launcher.js'

await launch(['refresh', ...process.argv.slice(2)])
