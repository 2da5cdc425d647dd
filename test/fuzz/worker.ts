import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { build } from '../../scripts/build.mjs'
import type { Report } from '../chaos/report.js'
import type { GuardContract } from '../cluster/fixtures/guard-worker.js'
import { batch, nodeMessage, UP } from './frames.js'
import { mutate } from './json.js'
import { polluted } from './oracle.js'
import { plain } from './payloads.js'
import { Random } from './random.js'

/**
 * A real worker writes to its channel what it should not, for as many lines, and another one answers calls meanwhile. What is
 * forged is dropped, and its worker lives; what is garbage kills it, and the next one goes on.
 */
export async function fuzzFromWorker(seed: number, lines: number, report: Report): Promise<void> {
  build({ fixtures: true })
  const { createCluster } = await import('troupe')
  let verdicts = 0
  const cluster = await createCluster<GuardContract>({
    exec: new URL('../../build/fixtures/guard-worker.js', import.meta.url),
    execArgv: [],
    workers: 2,
    restart: { max: lines, backoff: { min: 1, max: 1 } },
    logger: { warn() {}, error: () => verdicts++ },
  })
  const { pid } = process
  const other = cluster.workers.get(2)?.pid
  let deaths = 0
  cluster.on('exit', ({ id }) => void (id === 1 && deaths++))

  let calls = 0
  let failed = 0
  let stopped = false
  const calling = (async () => {
    for (; !stopped; calls++) if ((await cluster.call(2, 'pid', []).catch(String)) !== other) failed++
  })()

  const random = new Random(seed)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  let before = 0
  let written = 0
  for (let round = 0; written < lines; round++) {
    if (round === WARM_ROUNDS) {
      before = await resident()
      delay.enable()
    }
    const forged = Array.from({ length: FORGED }, () => forgedLine(random))
    const garbage = Array.from({ length: GARBAGE }, () => mutate(random, batch(random, UP)).replaceAll('\n', ' '))
    // A forged refusal of a handle may end the worker that wrote it: node there is not guarded against itself.
    await cluster.call(1, 'writeLines', [forged], { timeout: 60_000 }).catch(() => {})
    const again = nextReady()
    await cluster.cast(1, 'write', [`${garbage.join('\n')}\nno JSON\n`])
    await again
    written += FORGED + GARBAGE
    process.stderr.write(`\r${written}`)
  }
  process.stderr.write('\r')
  delay.disable()
  stopped = true
  await calling
  const after = await resident()

  console.log(`from a worker: ${written} lines`)
  report.figure("the primary's pid, before and after", `${pid}, ${process.pid}`, 'the same', pid === process.pid)
  report.figure(
    'workers killed for what they wrote',
    deaths,
    'one for each burst of garbage at least',
    deaths >= lines / (FORGED + GARBAGE),
  )
  report.figure(
    'calls to the other worker, and those that failed',
    `${calls}, ${failed}`,
    '0 failed',
    calls > 0 && failed === 0,
  )
  report.figure(
    '({}).polluted',
    String(({} as Record<string, unknown>).polluted),
    'undefined',
    polluted() === undefined,
  )
  report.figure(
    'resident memory, before and after',
    `${before} kB, ${after} kB`,
    'within 30 MB',
    after - before < 30 * 1_024,
  )
  report.note('longest turn of the primary (a busy machine and fork() are in it)', `${(delay.max / 1e6).toFixed(0)} ms`)
  report.note('lines in the log', verdicts)
  await cluster.stop({ force: true })

  function nextReady(): Promise<void> {
    return new Promise((resolve) => {
      const off = cluster.on('ready', ({ id }) => {
        if (id !== 1) return
        off()
        resolve()
      })
    })
  }
}

const FORGED = 140
const GARBAGE = 60
/** What is compiled and cached at first is no growth. */
const WARM_ROUNDS = 8

function forgedLine(random: Random): string {
  for (;;) {
    const line = random.oneIn(3) ? batch(random, UP) : random.oneIn(10) ? plain(random) : nodeMessage(random)
    if (isJson(line) && (!line.includes('"NODE_HANDLE"') || random.oneIn(50))) return line.replaceAll('\n', ' ')
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

async function resident(): Promise<number> {
  globalThis.gc?.()
  await wait(100)
  return Math.round(process.memoryUsage.rss() / 1_024)
}
