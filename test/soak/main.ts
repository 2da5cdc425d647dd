// Everything at once, for long: HTTP and every kind of message, while workers are killed, stopped, blocked, ended, replaced
// and scaled. Prints whether anything hung, whether everything ended in a named outcome, and whether the primary's memory
// grows; ends with 1 when it is not as it should be.
//
//   npm run soak                   60 minutes: 30 until V8 has compiled what is hot, and 30 that are judged
//   npm run soak -- --minutes 2    a first look, too short for the memory
//   npm run soak -- --interpreted  V8 without its compilers, whose code grows for hours: what grows then is kept by us

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Load } from '../chaos/clients/load.js'
import { signal } from '../chaos/cluster.js'
import { freePort } from '../support/free-port.js'
import { judgeOutcomes } from './outcomes.js'
import { type Slope, slopeOf } from './slope.js'

interface Told {
  readonly outcomes: Record<string, number>
  /** Of the oldest request that has not settled, ms. */
  readonly age: number
  readonly pids: readonly number[]
}

/** Each few seconds, after a collection. */
interface Memory {
  readonly rss: number
  readonly heapUsed: number
}

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '60' }, interpreted: { type: 'boolean', default: false } },
})
const minutes = Number(values.minutes)
/** Memory is not judged before: V8 compiles for that long what each kind of fault and end makes hot. */
const WARM_UP = 1 / 2
/** Seconds from one look at the memory to the next. */
const MEMORY_EVERY = 5
/** Looks without which a slope says nothing. */
const FEWEST = 12
/** No request may be older than that, ms: the longest deadline, a reload's drain, and a busy machine. */
const HUNG = 15_000

const port = await freePort()
const primary = fork(fileURLToPath(new URL('primary.mjs', import.meta.url)), [], {
  env: { ...process.env, PORT: String(port) },
  execArgv: ['--expose-gc', ...(values.interpreted ? ['--no-opt', '--no-sparkplug', '--no-maglev'] : [])],
})
const told: Told[] = []
const memory: Memory[] = []
primary.on('message', (message: Told | Memory) => {
  if ('rss' in message) memory.push(message)
  else told.push(message)
})
const ended = once(primary, 'exit')
await Promise.race([once(primary, 'message'), ended])

const loads = (['fresh', 'kept'] as const).map(
  (kind) => new Load({ port, clients: 6, kind, path: () => `/${anyOf([0, 5, 20])}` }),
)
const faults = { kill: 0, stop: 0, block: 0, exit: 0, reload: 0, scale: 0 }
const end = performance.now() + minutes * 60_000
while (performance.now() < end && primary.exitCode === null) {
  await after(200 + Math.random() * 800)
  await inflict(primary)
}
if (primary.exitCode !== null) throw new Error(`the primary ended with ${primary.exitCode}`)

const ledgers = await Promise.all(loads.map((load) => load.stop()))
const requests = ledgers.reduce((sum, { begun }) => sum + begun, 0)
const hung = ledgers.reduce((sum, ledger) => sum + ledger.hung.length + ledger.open, 0)
const failed = ledgers.reduce((sum, { failures }) => sum + failures.length, 0)
const oldest = Math.max(...told.map(({ age }) => age))
primary.disconnect()
await ended

const last = told.at(-1)
const calls = Object.values(last?.outcomes ?? {}).reduce((sum, count) => sum + count, 0)
const samples = memory.slice(Math.floor(memory.length * WARM_UP))
const growth = (what: keyof Memory, among = samples): Slope =>
  slopeOf(
    among.map((sample) => sample[what] / 1e6),
    { every: MEMORY_EVERY },
  )
const rss = growth('rss')
const heap = growth('heapUsed')
// With the compilers on the heap has their code too, of which there is more for hours: that it is nothing of ours is what an
// interpreted run judges.
const isFlat = rss.low <= 0 && (!values.interpreted || heap.low <= 0)
const wrong = judgeOutcomes(last?.outcomes ?? {})
console.log(
  `${minutes} minutes on Node ${process.versions.node}${values.interpreted ? ', interpreted' : ''}; faults: ${JSON.stringify(faults)}`,
)
console.log(`messages: ${calls}, how they ended: ${JSON.stringify(last?.outcomes)}`)
console.log(`oldest request that had not settled: ${oldest.toFixed(0)} ms (${oldest < HUNG ? 'none hung' : 'HUNG'})`)
console.log(`HTTP requests: ${requests}, failed inside workers that ended: ${failed}, hung: ${hung}`)
const slope = ({ perHour, low, high }: Slope): string =>
  `${perHour.toFixed(1)} MB an hour [${low.toFixed(1)} to ${high.toFixed(1)}]`
console.log(
  `memory of the primary, slope: RSS ${slope(rss)}, heap ${slope(heap)}; RSS now ${((samples.at(-1)?.rss ?? 0) / 1e6).toFixed(0)} MB`,
)
console.log(isFlat ? 'not different from zero' : 'GROWS')
// What settles grows less and less; what leaks, evenly.
const quarters = [0, 1, 2, 3].map((index) => {
  const [from, to] = [index, index + 1].map((bound) => Math.floor((bound * memory.length) / 4))
  return memory.slice(from, to)
})
if (quarters.every(({ length }) => length >= FEWEST))
  console.log(`RSS in each quarter of the run: ${quarters.map((quarter) => slope(growth('rss', quarter))).join(', ')}`)
for (const line of wrong) console.log(`WRONG: ${line}`)
process.exit(hung > 0 || oldest >= HUNG || !isFlat || wrong.length > 0 ? 1 : 0)

async function inflict(child: ChildProcess): Promise<void> {
  const pids = told.at(-1)?.pids ?? []
  // A moment in which nobody lives: there is nobody to be killed.
  if (pids.length === 0) return
  const fault = anyOf(['kill', 'kill', 'stop', 'block', 'exit', 'reload', 'scale'] as const)
  faults[fault]++
  if (fault === 'kill') signal(anyOf(pids), 'SIGKILL')
  else if (fault === 'stop') {
    const pid = anyOf(pids)
    signal(pid, 'SIGSTOP')
    await after(50 + Math.random() * 2_000)
    signal(pid, 'SIGCONT')
  } else child.send({ order: fault, value: fault === 'scale' ? anyOf([2, 3, 4, 5]) : 100 + Math.random() * 2_000 })
}

function anyOf<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)] as T
}
