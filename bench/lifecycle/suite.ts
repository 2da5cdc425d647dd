import { printSection, type Section } from '../report.js'
import { alternate } from '../rounds.js'
import type { SuiteOptions } from '../suite-options.js'
import { costsTable } from '../tables.js'
import { type Cost, type CostResult, type CostTarget, compareCosts } from '../values.js'
import type { Setup } from './candidate.js'
import { crashToServing, idleMemory, importTime, reload } from './measurements.js'

interface LifecycleShape {
  readonly title: string
  readonly unit: string
  readonly contenders: Readonly<Record<string, (profiles: string | undefined) => Promise<Cost>>>
  readonly targets: readonly CostTarget[]
}

const BARE: Setup = { kind: 'bare fork', workers: 1 }
const CLUSTER: Setup = { kind: 'cluster', workers: 1 }
const TROUPE: Setup = { kind: 'troupe', workers: 1 }
const JOINED: Setup = { ...TROUPE, join: true }

const SHAPES: readonly LifecycleShape[] = [
  {
    title: 'From SIGKILL to an answer of the replacement, one worker; a bare fork: from its fork to its answer',
    unit: 'ms',
    contenders: {
      'bare fork': (profiles) => crashToServing(BARE, profiles),
      troupe: (profiles) => crashToServing(TROUPE, profiles),
      'node cluster': (profiles) => crashToServing(CLUSTER, profiles),
    },
    targets: [
      { candidate: 'troupe', peer: 'bare fork', atMost: 1.1 },
      { candidate: 'node cluster', peer: 'bare fork' },
    ],
  },
  {
    title: 'A reload of four workers while clients come, `settle` 0; node cluster: by hand, one after the other',
    unit: 'ms',
    contenders: {
      troupe: (profiles) => reload({ ...TROUPE, workers: 4 }, profiles),
      'node cluster': (profiles) => reload({ ...CLUSTER, workers: 4 }, profiles),
    },
    targets: [{ candidate: 'troupe', peer: 'node cluster' }],
  },
  {
    title: 'Private memory of an idle worker, the mean of four',
    unit: 'MB',
    contenders: {
      'bare fork': () => idleMemory(BARE),
      troupe: () => idleMemory({ ...TROUPE, workers: 4 }),
      'troupe, joined': () => idleMemory({ ...JOINED, workers: 4 }),
      'node cluster': () => idleMemory({ ...CLUSTER, workers: 4 }),
    },
    targets: [
      { candidate: 'troupe', peer: 'bare fork', over: 6 },
      { candidate: 'troupe, joined', peer: 'bare fork' },
      { candidate: 'node cluster', peer: 'bare fork' },
    ],
  },
  {
    title: 'The import of a module, in a process of its own',
    unit: 'ms',
    contenders: {
      'an empty module': () => importTime('./empty.mjs'),
      troupe: () => importTime('../../dist/index.js'),
    },
    targets: [{ candidate: 'troupe', peer: 'an empty module', over: 30 }],
  },
]

/** What it costs that a worker comes, goes and is there. Every measurement starts processes of its own. */
export async function lifecycle({
  rounds,
  only,
  profiles,
}: SuiteOptions): Promise<{ costs: CostResult[]; tables: Section[] }> {
  const costs: CostResult[] = []
  for (const { title, unit, contenders, targets } of SHAPES) {
    const chosen = Object.entries(contenders).filter(([name]) => only.length === 0 || only.includes(name))
    const samples = await alternate(
      chosen.map(([name, measure]) => ({ name, measure: () => measure(profiles && `${profiles}/${name}`) })),
      rounds,
      (round, name, { value }) => console.error(`round ${round + 1}/${rounds}  ${name}: ${value.toFixed(1)} ${unit}`),
    )
    const result = { title, unit, lines: compareCosts(samples, targets) }
    printSection(costsTable(result))
    costs.push(result)
  }
  return { costs, tables: costs.map(costsTable) }
}
