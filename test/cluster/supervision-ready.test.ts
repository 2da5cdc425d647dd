import cluster from 'node:cluster'
import type { PrimaryCluster, ReadyMode } from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.js'
import { endAll, fixture, SOON, startCluster } from '../support/processes.js'

afterEach(endAll)

interface Contract {
  worker: { pid(): number }
  primary: object
}

/** A cluster of one stepwise worker, while it starts. */
class Start {
  readonly started: Promise<PrimaryCluster<Contract>>
  settled = false

  constructor(ready: ReadyMode | undefined, port: number) {
    this.started = startCluster<Contract>({ exec: fixture('sup-steps'), args: [String(port)], workers: 1, ready })
    void this.started.then(() => {
      this.settled = true
    })
  }
}

/** What the workers have said, as "2 join": node's number of the process and the step. */
const said: string[] = []
cluster.on('message', (worker, message: { done?: string } | undefined) => {
  if (message?.done) said.push(`${worker.id} ${message.done}`)
})

/** Has the one worker there is do that, and comes back when it is done and the primary knows what came of it. */
async function step(what: 'start' | 'join' | 'listen' | 'ready'): Promise<void> {
  await expect.poll(() => Object.values(cluster.workers ?? {}).length, SOON).toBe(1)
  const [worker] = Object.values(cluster.workers ?? {})
  if (what !== 'start') worker!.send(what)
  await expect.poll(() => said, SOON).toContain(`${worker!.id} ${what}`)
}

describe('a worker is ready', () => {
  it.each([
    { mode: undefined, steps: ['join'] },
    { mode: 'auto', steps: ['listen'] },
    { mode: 'join', steps: ['listen', 'join'] },
    { mode: 'listen', steps: ['join', 'listen'] },
    { mode: 'manual', steps: ['join', 'listen', 'ready'] },
  ] as const)('in mode $mode after the steps $steps, and not before', async ({ mode, steps }) => {
    const start = new Start(mode, await freePort())
    await step('start')
    for (const name of steps) {
      expect(start.settled).toBe(false)
      await step(name)
    }
    const { workers } = await start.started
    expect(workers.get(1)).toMatchObject({ state: 'ready', incarnation: 1 })
  })

  it("in mode 'online' as soon as its process runs", async () => {
    const start = new Start('online', 0)
    expect((await start.started).workers.get(1)?.state).toBe('ready')
  })
})

describe('a replacement', () => {
  it('is ready, and gets the calls that waited for it, only when it listens where its predecessor did', async () => {
    const start = new Start('auto', await freePort())
    await step('start')
    await step('join')
    const troupe = await start.started
    await step('listen')

    const restarted = new Promise<void>((resolve) => troupe.on('fork', () => resolve()))
    process.kill(troupe.workers.get(1)!.pid, 'SIGKILL')
    await restarted
    let answer: number | undefined
    const call = troupe.call(1, 'pid', [], { timeout: SOON.timeout }).then((pid) => {
      answer = pid
    })
    await step('start')
    await step('join')
    expect(troupe.workers.get(1)?.state).toBe('starting')
    expect(answer).toBeUndefined()
    await step('listen')
    expect(troupe.workers.get(1)?.state).toBe('ready')
    await call
    expect(answer).toBe(troupe.workers.get(1)?.pid)
  })

  // Node gives up a listening socket together with its last worker, and the system chooses another port.
  it('is ready again on a port that the system chose, when its predecessor was the last to hold it', async () => {
    const start = new Start('listen', 0)
    await step('start')
    await step('listen')
    const troupe = await start.started
    const restarted = new Promise<void>((resolve) => troupe.on('fork', () => resolve()))
    process.kill(troupe.workers.get(1)!.pid, 'SIGKILL')
    await restarted
    await step('start')
    await step('listen')
    expect(troupe.workers.get(1)?.state).toBe('ready')
  })
})
