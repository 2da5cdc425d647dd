import type { Run } from '../report.js'
import { brokenReload } from './broken-reload.js'
import { calls } from './calls.js'
import { even } from './even.js'
import { faults, loops } from './faults.js'
import { frozen } from './frozen.js'
import { kills } from './kills.js'
import { outage } from './outage.js'
import { reloads } from './reloads.js'
import { sticky } from './sticky.js'
import { streams } from './streams.js'

export const RUNS: readonly Run[] = [
  kills,
  reloads,
  brokenReload,
  outage,
  frozen,
  sticky,
  even,
  faults,
  loops,
  calls,
  streams,
]
