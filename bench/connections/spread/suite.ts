import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onCores } from '../../cores.js'
import { cpuMilliseconds } from '../../processes.js'
import { printSection, type Section, table } from '../../report.js'
import { alternate } from '../../rounds.js'
import { type Estimate, ratio, spread as spreadOf } from '../../statistics.js'
import type { SuiteOptions } from '../../suite-options.js'

/** What one load saw: ms in the queue, how uneven live connections were (greatest by mean), messages and CPU µs per connection. */
interface Sample {
  readonly p50: number
  readonly p99: number
  readonly uneven: number | undefined
  readonly messages: number
  readonly cpu: number
}

interface SpreadLine {
  readonly candidate: string
  readonly workers: number
  readonly p50: Estimate
  readonly p99: Estimate
  readonly uneven: Estimate | undefined
  readonly messages: Estimate
  readonly cpu: Estimate
  /** Troupe's p99 by this one's. */
  readonly troupeBy?: Estimate
  readonly samples: readonly Sample[]
}

export interface SpreadResult {
  readonly title: string
  readonly lines: readonly SpreadLine[]
}

const KINDS = { 'troupe default': 'troupe', 'node round robin': 'rr', 'node shared handle': 'none' } as const

/** ms of a short and of a long request; one worker takes so many times as long. */
const TIMES = { SHORT: '10', LONG: '200', SLOW: '10' }

/** New connections a second for each fast worker: half of what it can do, five times what the slow one can. */
const SHORT_RATE = 50
const LONG_RATE = 40
const HELD_RATE = 40
/** As many as one core holds while 32 processes on it are cold, some 900 µs each: what queues past that is told of the core. */
const MOST = 800

const SHAPES = [
  { title: 'Short requests (10 ms of work), one worker 10 x as slow', path: '/short', rate: SHORT_RATE },
  { title: 'Long requests (200 ms of waiting), one worker 10 x as slow', path: '/long', rate: LONG_RATE },
  { title: 'WebSockets, which stay; one worker slow to answer', path: 'websocket', rate: HELD_RATE },
] as const

const WORKERS = [2, 4, 8, 16, 32]
const QUICK_WORKERS = [2, 8]

/** How evenly connections are spread where workers are not alike, what that does to those who wait, and what it costs to know. */
export async function spread({
  rounds,
  seconds,
  quick,
  only,
}: SuiteOptions): Promise<{ spread: SpreadResult[]; tables: Section[] }> {
  const results: SpreadResult[] = []
  const tables: Section[] = []
  for (const { title, path, rate } of SHAPES) {
    const lines: SpreadLine[] = []
    for (const workers of quick ? QUICK_WORKERS : WORKERS) {
      const chosen = Object.entries(KINDS).filter(([name]) => only.length === 0 || only.includes(name))
      const contenders = chosen.map(([name, kind]) => ({
        name,
        measure: () => measure(kind, workers, { path, perSecond: Math.min(rate * (workers - 1), MOST), seconds }),
      }))
      const samples = await alternate(contenders, rounds, (round, name, { p99 }) =>
        console.error(`round ${round + 1}/${rounds}  ${workers} workers, ${name}: p99 ${p99.toFixed(1)} ms`),
      )
      lines.push(...linesOf(workers, samples))
    }
    results.push({ title, lines })
    tables.push(sectionOf({ title, lines }))
    printSection(sectionOf({ title, lines }))
  }
  return { spread: results, tables }
}

interface Load {
  readonly path: string
  readonly perSecond: number
  readonly seconds: number
}

async function measure(kind: 'troupe' | 'rr' | 'none', workers: number, load: Load): Promise<Sample> {
  const [execPath, execArgv] = onCores('servers', process.execPath, [])
  const file = fileURLToPath(new URL('primary.mjs', import.meta.url))
  const primary = fork(file, [JSON.stringify({ kind, workers, env: TIMES })], { execPath, execArgv })
  try {
    const [{ port, pids }] = (await once(primary, 'message')) as [{ port: number; pids: number[] }]
    const all = [primary.pid as number, ...pids]
    const cpu = (): number => all.reduce((sum, pid) => sum + cpuMilliseconds(pid), 0)
    const messages = async (): Promise<number> => {
      primary.send('messages')
      return ((await once(primary, 'message')) as [number])[0]
    }
    await run({ ...load, port, workers, seconds: WARM_UP })
    const before = { cpu: cpu(), messages: await messages() }
    const { queued, uneven, failed, total } = await run({ ...load, port, workers })
    const after = { cpu: cpu(), messages: await messages() }
    if (failed > 0) throw new Error(`Expected all of ${total} connections to be answered, ${failed} were not`)
    const ended = once(primary, 'exit')
    primary.send('stop')
    await ended
    queued.sort((a, b) => a - b)
    const at = (share: number): number =>
      queued[Math.min(queued.length - 1, Math.floor(queued.length * share))] as number
    return {
      p50: at(0.5),
      p99: at(0.99),
      uneven: uneven.length > 0 ? uneven.reduce((sum, value) => sum + value, 0) / uneven.length : undefined,
      messages: (after.messages - before.messages) / total,
      cpu: ((after.cpu - before.cpu) * 1e3) / total,
    }
  } finally {
    primary.kill('SIGKILL')
  }
}

/** Seconds. */
const WARM_UP = 0.5

interface Seen {
  readonly queued: number[]
  readonly uneven: readonly number[]
  readonly failed: number
  readonly total: number
}

async function run(load: Load & { readonly port: number; readonly workers: number }): Promise<Seen> {
  const client = fileURLToPath(new URL('client.mjs', import.meta.url))
  const child = spawn(...onCores('load', process.execPath, [client, JSON.stringify(load)]), {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  for await (const chunk of child.stdout) output += chunk
  return JSON.parse(output) as Seen
}

function linesOf(workers: number, samples: ReadonlyMap<string, readonly Sample[]>): SpreadLine[] {
  const troupe = samples.get('troupe default')
  return [...samples].map(([candidate, own]) => {
    const of = (key: 'p50' | 'p99' | 'messages' | 'cpu'): Estimate => spreadOf(own.map((sample) => sample[key]))
    const uneven = own.flatMap((sample) => (sample.uneven === undefined ? [] : [sample.uneven]))
    const p99s = (all: readonly Sample[]): number[] => all.map(({ p99 }) => p99)
    return {
      candidate,
      workers,
      p50: of('p50'),
      p99: of('p99'),
      uneven: uneven.length > 0 ? spreadOf(uneven) : undefined,
      messages: of('messages'),
      cpu: of('cpu'),
      ...(troupe && troupe !== own ? { troupeBy: ratio(p99s(troupe), p99s(own)) } : {}),
      samples: own,
    }
  })
}

function sectionOf({ title, lines }: SpreadResult): Section {
  const header = [
    'workers',
    'candidate',
    'queued ms p50',
    'p99 (least to most)',
    "troupe's p99 by its [95 %]",
    'live, greatest by mean',
    'messages/connection',
    'CPU µs/connection',
  ]
  const rows = lines.map(({ workers, candidate, p50, p99, troupeBy, uneven, messages, cpu }) => [
    String(workers),
    candidate,
    p50.median.toFixed(1),
    `${p99.median.toFixed(1)} (${p99.low.toFixed(1)} to ${p99.high.toFixed(1)})`,
    troupeBy ? `${troupeBy.median.toFixed(2)} [${troupeBy.low.toFixed(2)} to ${troupeBy.high.toFixed(2)}]` : '',
    uneven ? uneven.median.toFixed(2) : '',
    messages.median.toFixed(2),
    cpu.median.toFixed(0),
  ])
  return { title, text: table([header, ...rows]) }
}
