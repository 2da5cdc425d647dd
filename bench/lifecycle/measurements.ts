import { spawn } from 'node:child_process'
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { cpuMilliseconds, privateBytes } from '../processes.js'
import type { Cost } from '../values.js'
import { Candidate, now, type Setup, whoServes } from './candidate.js'

/** From SIGKILL to an answer of the process that has come in its place. Of a bare fork: from the fork to its answer. */
export async function crashToServing(setup: Setup, profiles?: string): Promise<Cost> {
  return await using(setup, profiles, async (candidate) => {
    const [before] = candidate.pids
    if ((await whoServes(candidate.port)) !== before) throw new Error('Expected the only worker to answer')
    const at = await candidate.crash()
    // Of ours a client may come at once, and waits; where nobody listens meanwhile it would be refused.
    if (setup.kind !== 'troupe') await candidate.replaced()
    else await isGone(before as number)
    const serves = await whoServes(candidate.port)
    const value = now() - at
    if (serves === before) throw new Error('Expected a replacement to answer, got the worker that was killed')
    return { value, cpu: cpuMilliseconds(serves) }
  })
}

/** All workers replaced, while clients come: none of them may be lost. */
export async function reload(setup: Setup, profiles?: string): Promise<Cost> {
  return await using(setup, profiles, async (candidate) => {
    const { pids, port } = candidate
    let isOver = false
    const answered = new Set<number>()
    const client = (async () => {
      while (!isOver) {
        answered.add(await whoServes(port))
        await after(CLIENT_PAUSE)
      }
    })()
    client.catch(() => {})
    const { took, pids: replaced } = await candidate.reload()
    isOver = true
    await client
    if (replaced.length !== pids.length || replaced.some((pid) => pids.includes(pid)))
      throw new Error(`Expected ${pids.join()} to be replaced, got ${replaced.join()}`)
    for (const pid of answered)
      if (!pids.includes(pid) && !replaced.includes(pid)) throw new Error(`${pid} answered, which is no worker`)
    return { value: took }
  })
}

/** One new connection after the other, not many: the reload is measured and not the load. ms. */
const CLIENT_PAUSE = 5

/** Private memory of a worker that has nothing to do, MB; the mean of all workers. */
export async function idleMemory(setup: Setup): Promise<Cost> {
  return await using(setup, undefined, async ({ pids, port }) => {
    await whoServes(port)
    await after(SETTLING)
    const bytes = pids.reduce((sum, pid) => sum + privateBytes(pid), 0)
    return { value: bytes / pids.length / 1e6 }
  })
}

/** What a start leaves behind is collected, or given back, within this time, ms. */
const SETTLING = 1_500

/** How long the import of a module takes in a process that has done nothing else, ms. */
export async function importTime(module: string): Promise<Cost> {
  const file = fileURLToPath(new URL('import.mjs', import.meta.url))
  const child = spawn(process.execPath, [file, module], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  for await (const chunk of child.stdout) output += chunk
  const { took, cpu } = JSON.parse(output) as { took: number; cpu: number }
  return { value: took, cpu }
}

async function using(setup: Setup, profiles: string | undefined, measure: (candidate: Candidate) => Promise<Cost>) {
  const candidate = await Candidate.start(setup, profiles)
  try {
    const cost = await measure(candidate)
    await candidate.stop()
    return cost
  } finally {
    candidate.kill()
  }
}

/** A process that was killed still accepts until the system gets round to it. */
async function isGone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0)
      cpuMilliseconds(pid)
    } catch {
      return
    }
    await after(1)
  }
}
