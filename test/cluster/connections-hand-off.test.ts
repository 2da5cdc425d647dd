import nodeCluster, { type Worker } from 'node:cluster'
import { createHash, randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import type { ClusterOptions, HandOffEvent, HandOffStep } from 'troupe'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { rendezvous } from '../../src/runtime/placement/rendezvous.js'
import { ask, Client, send } from '../support/connections.js'
import { freePort } from '../support/free-port.js'
import { rejection } from '../support/outcome.js'
import {
  endAll,
  fixture,
  nobodyLeft,
  Program,
  SOON,
  sendSignal,
  startCluster,
  temporaryFolder,
} from '../support/processes.js'

afterEach(endAll)

/*
 * A hand-off, interrupted at each of its steps: in the primary accepted, offered; in the worker arrived, acknowledged; in
 * the primary taken, or rerouted. Node's diagnostics channel tells of each, in that process, before it goes on.
 */
const BODY = randomBytes(1_000_000)
const SUM = createHash('sha256').update(BODY).digest('hex')

/** The policies with which the primary hands over: without a look, and with a head that it has read. `first` gets the first. */
const POLICIES = [
  { name: 'round-robin', balance: { policy: 'round-robin', accept: 'primary' }, first: 1 },
  { name: 'a cookie', balance: { cookie: 'sid' }, first: rendezvous('client', [1, 2])! },
] as const

async function start({ env, ...options }: ClusterOptions) {
  const port = await freePort()
  const faults = temporaryFolder()
  const cluster = await startCluster({
    exec: fixture('connections-app'),
    workers: 2,
    ready: 'listen',
    env: { ...env, APP_HTTP: String(port), APP_FAULTS: faults },
    ...options,
  })
  /** The next worker that comes to that step does this to itself. */
  const plan = (step: HandOffStep, fault: string): void => writeFileSync(`${faults}/${step}`, fault)
  return { cluster, port, plan, isPlanned: (step: HandOffStep) => existsSync(`${faults}/${step}`) }
}

/** Does something in this process, which is the primary, at each such step. */
function at(step: HandOffStep, run: (event: HandOffEvent) => void): void {
  const listener = (message: unknown): void => {
    const event = message as HandOffEvent
    if (event.step === step) run(event)
  }
  subscribe('troupe.handoff', listener)
  onTestFinished(() => void unsubscribe('troupe.handoff', listener))
}

function once(step: HandOffStep, run: () => void): void {
  let isDone = false
  at(step, () => {
    if (!isDone) run()
    isDone = true
  })
}

const request = { method: 'POST', path: '/upload', headers: { cookie: 'sid=client' }, body: BODY } as const

/** How many sockets this process has, listening ones included. */
const descriptors = (): number => readdirSync('/proc/self/fd').length

describe.each(POLICIES)('a worker that is handed a connection, by $name,', ({ balance, first }) => {
  it.each(['SIGKILL', 'exit', 'disconnect'])(
    'and dies before it has acknowledged it (%s), loses nothing: another gets it whole',
    async (fault) => {
      const { cluster, port, plan, isPlanned } = await start({ balance })
      const before = [...cluster.workers.values()].map(({ pid }) => pid)
      plan('arrived', fault)
      const { pid, url, size, sum } = await ask(port, request)
      expect({ url, size, sum }).toEqual({ url: '/upload', size: BODY.length, sum: SUM })
      expect(isPlanned('arrived')).toBe(false)
      expect(before).toContain(pid)
      expect(cluster.stats().connections).toMatchObject({ handedOver: 1, rerouted: 1, waiting: 0, offered: 0 })
    },
  )

  it('and dies right after it has acknowledged it, takes it along: its client is told, and does not wait', async () => {
    const { cluster, port, plan } = await start({ balance })
    plan('acknowledged', 'SIGKILL')
    const { code } = (await rejection(Error, send(port, request))) as NodeJS.ErrnoException
    expect(['ECONNRESET', 'EPIPE']).toContain(code)
    expect(cluster.stats().connections).toMatchObject({ handedOver: 1, rerouted: 0, waiting: 0, offered: 0 })
    expect((await ask(port, request)).sum).toBe(SUM)
  })

  it('and is dead already when it is sent, loses nothing', async () => {
    const { cluster, port } = await start({ balance })
    const { pid: killed } = cluster.workers.get(first)!
    once('accepted', () => sendSignal(killed, 'SIGKILL'))
    const { pid, sum } = await ask(port, request)
    expect(sum).toBe(SUM)
    expect(pid).not.toBe(killed)
    expect(cluster.stats().connections).toMatchObject({ handedOver: 1, rerouted: 1, waiting: 0, offered: 0 })
  })

  it('and is killed while it is on its way, loses nothing', async () => {
    const { cluster, port } = await start({ balance })
    const { pid: killed } = cluster.workers.get(first)!
    // So that it cannot be quicker than the signal.
    once('accepted', () => sendSignal(killed, 'SIGSTOP'))
    once('offered', () => sendSignal(killed, 'SIGKILL'))
    const { pid, sum } = await ask(port, request)
    expect(sum).toBe(SUM)
    expect(pid).not.toBe(killed)
    expect(cluster.stats().connections).toMatchObject({ handedOver: 1, rerouted: 1, waiting: 0, offered: 0 })
  })

  it('and freezes before it has acknowledged it, is fenced: only then another gets it', async () => {
    const { cluster, port, plan } = await start({ balance, timeouts: { handoff: 300 }, logger: SILENT })
    const events: unknown[] = []
    cluster.on('exit', ({ signal }) => events.push(signal))
    at('offered', () => events.push('offered'))
    plan('arrived', 'SIGSTOP')
    expect((await ask(port, request)).sum).toBe(SUM)
    // Another gets it in the turn of the exit.
    expect(events.sort()).toEqual(['SIGKILL', 'offered', 'offered'])
    expect(cluster.stats().connections).toMatchObject({ handedOver: 1, rerouted: 1, waiting: 0, offered: 0 })
  })

  it('and is frozen while it is on its way, is fenced too', async () => {
    const { cluster, port } = await start({ balance, timeouts: { handoff: 300 }, logger: SILENT })
    const { pid: frozen } = cluster.workers.get(first)!
    once('accepted', () => sendSignal(frozen, 'SIGSTOP'))
    const { pid, sum } = await ask(port, request)
    expect(sum).toBe(SUM)
    expect(pid).not.toBe(frozen)
  })

  it('and thaws in time, serves it', async () => {
    const { cluster, port } = await start({ balance })
    const { pid: frozen } = cluster.workers.get(first)!
    once('accepted', () => sendSignal(frozen, 'SIGSTOP'))
    once('offered', () => sendSignal(frozen, 'SIGCONT'))
    expect(await ask(port, request)).toMatchObject({ sum: SUM, pid: frozen })
    expect(cluster.stats().connections).toMatchObject({ handedOver: 1, rerouted: 0 })
  })
})

const SILENT = { warn: () => {}, error: () => {} }

it('goes to another when its worker dies with it on its way, also one that had more to say than could be read at once', async () => {
  const messages = 400
  const env = { APP_FLOOD: String(messages) }
  const { cluster, port } = await start({ balance: POLICIES[0].balance, env })
  let heard = 0
  cluster.on('message', () => {
    heard++
    // Each takes its time, so that one turn has not enough of it for all.
    for (const end = performance.now() + 0.2; performance.now() < end; );
  })
  for (const worker of Object.values(nodeCluster.workers ?? {})) worker?.send('flood')
  await expect.poll(() => heard, SOON).toBe(2 * messages)
  const { pid, incarnation } = cluster.workers.get(1)!
  const exit = new Promise((resolve) => cluster.on('exit', resolve))
  // So that it answers nothing, and node waits for that.
  sendSignal(pid, 'SIGSTOP')
  at('offered', ({ to }) => {
    if (to === incarnation) sendSignal(pid, 'SIGKILL')
  })
  const seen = await Promise.all([ask(port), ask(port)])
  expect(seen.map((one) => one.pid)).not.toContain(pid)
  expect(await exit).toMatchObject({ pid, signal: 'SIGKILL' })
})

/** What node is given to send along with a message, to any worker. */
function sentByNode(): unknown[] {
  const handles: unknown[] = []
  for (const worker of Object.values(nodeCluster.workers ?? {})) {
    const { process: child } = worker as Worker
    const { send } = child
    child.send = (...sent: unknown[]) => {
      if (sent[1] !== undefined) handles.push(sent[1])
      return Reflect.apply(send, child, sent)
    }
  }
  return handles
}

it('is answered by one message, and node has no part in it', async () => {
  const { port } = await start({ workers: 1, balance: POLICIES[0].balance })
  const handles = sentByNode()
  const answers: unknown[] = []
  for (const worker of Object.values(nodeCluster.workers ?? {}))
    worker?.process.on('internalMessage', ({ cmd, frames }: { cmd: string; frames?: unknown[] }) => {
      if (cmd.startsWith('NODE_HANDLE') || JSON.stringify(frames ?? []).includes('taken')) answers.push({ cmd, frames })
    })
  const count = 20
  for (let index = 0; index < count; index++) await ask(port)
  await expect.poll(() => answers.length, SOON).toBe(count)
  for (const answer of answers) expect(answer).toEqual({ cmd: 'NODE_TROUPE', frames: [['taken', expect.any(Number)]] })
  expect(handles).toEqual([])
})

describe('many connections at once', () => {
  it('each have one worker, though workers die again and again before they acknowledge', async () => {
    const before = descriptors()
    const { cluster, port, plan, isPlanned } = await start({
      balance: { policy: 'round-robin', accept: 'primary' },
      workers: 3,
      restart: { max: 100 },
    })
    let asked = 0
    /** Requests that had been taken by the worker that died for another's arrival. */
    let inside = 0
    const one = async (): Promise<void> => {
      const body = `request ${++asked} ${'.'.repeat(asked)}`
      const sum = createHash('sha256').update(body).digest('hex')
      try {
        expect((await ask(port, { method: 'POST', body })).sum).toBe(sum)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ECONNRESET' })
        inside++
      }
    }
    for (let round = 0; round < 6; round++) {
      plan('arrived', 'SIGKILL')
      await Promise.all(Array.from({ length: 20 }, one))
      expect(isPlanned('arrived')).toBe(false)
    }
    const { rerouted, handedOver, waiting, offered, turnedAway } = cluster.stats().connections
    expect(rerouted).toBeGreaterThanOrEqual(6)
    // What a worker had taken when it died ends with it; nobody else does, and nobody is taken twice.
    expect(inside).toBeLessThan(asked / 2)
    expect({ handedOver, waiting, offered, turnedAway }).toEqual({
      handedOver: asked,
      waiting: 0,
      offered: 0,
      turnedAway: 0,
    })
    await cluster.stop()
    // Nothing of a connection is left here, nor of a worker's channel.
    await expect.poll(descriptors, SOON).toBeLessThanOrEqual(before)
  })

  it('each keep their own first bytes, among messages so large that their lines come in pieces', async () => {
    const { cluster, port } = await start({ balance: { cookie: 'sid' }, limits: { handoffs: 32 } })
    const handles = sentByNode()
    const children = Object.values(nodeCluster.workers ?? {}).map((worker) => (worker as Worker).process)
    const one = async (index: number): Promise<void> => {
      for (const child of children) child.send({ pad: 'x'.repeat(50_000 + index * 997) })
      expect((await ask(port, { path: `/${index}`, headers: { cookie: `sid=${index}` } })).url).toBe(`/${index}`)
    }
    for (let round = 0; round < 4; round++)
      await Promise.all(Array.from({ length: 40 }, (_, index) => one(round * 40 + index)))
    expect(cluster.stats().connections).toMatchObject({ handedOver: 160, rerouted: 0, lost: 0, turnedAway: 0 })
    expect(handles).toEqual([])
  })

  it('are answered by another when their worker dies with a full pipe before them, and are closed here then', async () => {
    const before = descriptors()
    const { cluster, port } = await start({ balance: { policy: 'round-robin', accept: 'primary' } })
    const { pid } = cluster.workers.get(1)!
    sendSignal(pid, 'SIGSTOP')
    const [child] = Object.values(nodeCluster.workers ?? {}).map((worker) => (worker as Worker).process)
    for (let count = 0; count < 20; count++) child?.send({ pad: 'x'.repeat(100_000) })
    const answers = Promise.all(Array.from({ length: 8 }, () => ask(port)))
    await expect.poll(() => cluster.stats().connections, SOON).toMatchObject({ offered: 4, handedOver: 4 })
    sendSignal(pid, 'SIGKILL')
    for (const answer of await answers) expect(answer.pid).not.toBe(pid)
    await cluster.stop()
    await expect.poll(descriptors, SOON).toBeLessThanOrEqual(before)
  })

  it('leave a frozen worker with as many as it may have; the others are answered at once, and those when it is dead', async () => {
    const { cluster, port } = await start({
      balance: { policy: 'round-robin', accept: 'primary' },
      workers: 4,
      limits: { handoffs: 3 },
    })
    const { pid: frozen } = cluster.workers.get(1)!
    sendSignal(frozen, 'SIGSTOP')
    const pids: number[] = []
    const answers = Array.from({ length: 40 }, async () => pids.push((await ask(port)).pid))
    await expect.poll(() => pids.length, SOON).toBe(37)
    expect(cluster.stats().connections).toMatchObject({ handedOver: 37, offered: 3, waiting: 0, rerouted: 0 })
    sendSignal(frozen, 'SIGKILL')
    await Promise.all(answers)
    expect(pids).not.toContain(frozen)
    expect(cluster.stats().connections).toMatchObject({ handedOver: 40, offered: 0, rerouted: 3, turnedAway: 0 })
  })
})

describe('a primary that dies with a connection in its hands', () => {
  it.each(['accepted', 'offered', 'taken', 'rerouted'] as const)(
    'leaves nobody waiting, and nothing behind: %s',
    async (step) => {
      const port = await freePort()
      const faults = temporaryFolder()
      if (step === 'rerouted') writeFileSync(`${faults}/arrived`, 'SIGKILL')
      const primary = new Program(fixture('connections-primary'), [
        JSON.stringify({
          killAt: step,
          balance: { policy: 'round-robin', accept: 'primary' },
          env: { APP_HTTP: String(port), APP_FAULTS: faults },
        }),
      ])
      await primary.line('started')
      const client = new Client(port)
      client.socket.write('GET /hold HTTP/1.1\r\nHost: h\r\n\r\n')
      // Its end, not a timeout: the socket is closed everywhere.
      await client.closed
      expect((await primary.ended).signal).toBe('SIGKILL')
      await nobodyLeft()
    },
  )
})
