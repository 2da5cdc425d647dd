import { readFileSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
import { printSection, type Section, table } from '../report.js'
import type { SuiteOptions } from '../suite-options.js'
import { Candidate, type Setup } from './candidate.js'
import { type Fit, fitLine, isLinear, type Point, points, stepInFlat } from './curve.js'

export interface Curve {
  readonly title: string
  readonly unit: string
  readonly points: readonly Point[]
  readonly verdict: string
  readonly isMet: boolean
  readonly fit?: Fit
}

/** One run of a curve: tells what each size costs. */
type Run = (tell: (size: number, cost: number) => void, options: SuiteOptions) => Promise<void>

interface Shape {
  readonly name: string
  readonly title: string
  /** What one more costs, or what each operation does: the first is a line, the second flat. */
  readonly kind: 'linear' | 'flat'
  readonly unit: string
  readonly run: Run
}

const WORKERS = [1, 2, 4, 8, 16, 32]
const IN_FLIGHT = [1, 4, 16, 64, 256, 1_024]
const HANDLERS = [1, 10, 100, 1_000]
/** What a turn shares must not depend on how many workers share it. */
const IN_FLIGHT_EACH = 32
/** From the last upgrade until memory is read, ms; half of it after the start of idle workers. */
const SETTLING = 1_000

/** What the titles call them. Node's cluster has no calls: its are one `process.send` each way. */
const NAMES = { troupe: 'troupe', cluster: 'node cluster' }
const KINDS = ['troupe', 'cluster'] as const

const SHAPES: readonly Shape[] = [
  ...KINDS.map(
    (kind): Shape => ({
      name: `workers, ${kind}`,
      title: `Calls to more and more workers, ${IN_FLIGHT_EACH} in flight for each (${NAMES[kind]})`,
      kind: 'flat',
      unit: 'CPU µs/call',
      run: async (tell, { seconds, quick }) => {
        for (const workers of quick ? WORKERS.slice(0, 4) : WORKERS)
          tell(
            workers,
            await using({ kind, workers }, async (candidate) => {
              await candidate.do('calls', IN_FLIGHT_EACH * workers, WARM_UP * (1 + workers / 2))
              return await candidate.cpuEach('calls', IN_FLIGHT_EACH * workers, seconds)
            }),
          )
      },
    }),
  ),
  {
    name: 'memory',
    title: 'Private memory of primary and workers, more and more idle workers',
    kind: 'linear',
    unit: 'MB',
    run: async (tell, { quick }) => {
      for (const workers of quick ? WORKERS.slice(0, 4) : WORKERS)
        tell(
          workers,
          await using({ kind: 'troupe', workers }, async (candidate) => {
            await after(SETTLING / 2)
            return (await candidate.memory()) / 1e6
          }),
        )
    },
  },
  {
    name: 'in flight',
    title: 'Calls to two workers, more and more in flight',
    kind: 'flat',
    unit: 'CPU µs/call',
    run: (tell, { seconds }) =>
      using({ kind: 'troupe', workers: 2 }, async (candidate) => {
        await candidate.do('calls', 64, WARM_UP)
        for (const inFlight of IN_FLIGHT) tell(inFlight, await candidate.cpuEach('calls', inFlight, seconds))
      }),
  },
  {
    name: 'subscribers',
    title: 'Publishes to two workers with more and more handlers each',
    kind: 'flat',
    unit: 'CPU µs/delivery',
    run: (tell, { seconds }) =>
      using({ kind: 'troupe', workers: 2 }, async (candidate) => {
        let subscribed = 0
        for (const handlers of HANDLERS) {
          await candidate.do('subscribe', handlers - subscribed)
          subscribed = handlers
          await candidate.do('publishes', WARM_UP)
          tell(handlers, await candidate.cpuEach('publishes', seconds))
        }
      }),
  },
  ...KINDS.map(
    (kind): Shape => ({
      name: `websockets, ${kind}`,
      title: `Private memory of primary and workers, more and more idle WebSockets on two workers (${NAMES[kind]})`,
      kind: 'linear',
      unit: 'MB',
      run: (tell, { quick }) =>
        using({ kind, workers: 2 }, async (candidate) => {
          let open = 0
          // The first ones bring what is allocated once.
          for (const connections of quick ? [500, 1_000, 2_000] : [1_000, 2_500, 5_000, 7_500, 10_000]) {
            await candidate.open(connections - open)
            open = connections
            await after(SETTLING)
            tell(connections, (await candidate.memory()) / 1e6)
          }
        }),
    }),
  ),
]

/** Seconds until what is hot has been compiled in one worker; more of them share the cores. */
const WARM_UP = 1

/** Of each process: clients have a descriptor for each connection that they hold, workers for half of them. */
const DESCRIPTORS_NEEDED = 6_000

/** What more of everything costs: each operation as much as before, and memory in proportion. */
export async function growth(options: SuiteOptions): Promise<{ curves: Curve[]; tables: Section[] }> {
  const { rounds, only } = options
  const curves: Curve[] = []
  const tables: Section[] = []
  for (const shape of SHAPES.filter(({ name }) => only.length === 0 || only.includes(name))) {
    if (shape.name.startsWith('websockets') && openFiles() < DESCRIPTORS_NEEDED) {
      console.log(`\n${shape.title}: skipped, a process may have ${openFiles()} descriptors (\`ulimit -n\`)`)
      continue
    }
    const samples = new Map<number, number[]>()
    for (let round = 0; round < rounds; round++)
      await shape.run((size, cost) => {
        samples.set(size, [...(samples.get(size) ?? []), cost])
        console.error(`round ${round + 1}/${rounds}  ${shape.name} ${size}: ${cost.toFixed(1)} ${shape.unit}`)
      }, options)
    const curve = judge(shape, points(samples))
    curves.push(curve)
    tables.push(sectionOf(curve))
    printSection(sectionOf(curve))
  }
  return { curves, tables }
}

function judge({ title, unit, kind }: Shape, curve: readonly Point[]): Curve {
  const base = { title, unit, points: curve }
  if (kind === 'flat') {
    const step = stepInFlat(curve)
    const verdict = step === undefined ? 'no size costs over 1.3 x the cheapest smaller one' : `rises at ${step}`
    return { ...base, verdict: `${verdict}: ${step === undefined ? 'met' : 'missed'}`, isMet: step === undefined }
  }
  const fit = fitLine(curve)
  const isMet = isLinear(fit)
  const line = `${fit.start.toFixed(1)} ${unit} and ${(fit.slope * 1_000).toFixed(1)} k${unit === 'MB' ? 'B' : unit} for each`
  const off = `the farthest point is ${(fit.farthest * 100).toFixed(0)} % of the rise off the line (at most 10 %)`
  return { ...base, fit, verdict: `${line}; ${off}: ${isMet ? 'met' : 'missed'}`, isMet }
}

function sectionOf({ title, unit, points: curve, verdict }: Curve): Section {
  const rows = curve.map(({ size, cost }) => [String(size), cost.toFixed(1)])
  return { title, text: `${table([['size', unit], ...rows])}\n\n${verdict}` }
}

async function using<Value>(setup: Setup, measure: (candidate: Candidate) => Promise<Value>): Promise<Value> {
  const candidate = await Candidate.start(setup)
  try {
    const value = await measure(candidate)
    await candidate.stop()
    return value
  } finally {
    candidate.kill()
  }
}

function openFiles(): number {
  return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0)
}
