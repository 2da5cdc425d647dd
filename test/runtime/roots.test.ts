import { describe, expect, test } from 'vitest'
import { channel } from '../../src/protocol/contract.js'
import { RemoteError, WorkerGoneError } from '../../src/protocol/errors.js'
import type { DownFrame, MemberRecord, UpFrame } from '../../src/protocol/frames.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from '../../src/runtime/limits.js'
import { currentCall } from '../../src/runtime/messaging/call-context.js'
import { memoryLink } from '../../src/runtime/transports/memory.js'
import { buildWorker } from '../../src/runtime/worker.js'
import { WorkerHost } from '../../src/runtime/worker-host.js'
import { FakeClock } from '../support/fake-clock.js'
import { FakeLogger } from '../support/fake-logger.js'
import { rejection } from '../support/outcome.js'
import { sameProcessCluster } from '../support/same-process-cluster.js'

// The two roots as they are, wired to each other in one process.

const echo = {
  echo: (value: unknown) => value,
  who: () => currentCall().target,
  hang: () => new Promise(() => {}),
  fail() {
    throw Object.assign(new Error('no'), { code: 'E_NO' })
  },
}

describe('calls', () => {
  test('go from everywhere to everywhere', async () => {
    const c = sameProcessCluster(echo, {}, { who: () => 'the primary' })
    await c.started()
    for (const from of [c.cluster, await c.worker(1), await c.worker(2)]) {
      for (const [to, answer] of [
        [1, 1],
        [2, 2],
        ['primary', 'the primary'],
      ] as const) {
        const call = from.call(to, 'who', [])
        await c.clock.settle()
        expect(await call).toBe(answer)
      }
    }
    expect(c.cluster.stats()).toMatchObject({ waiting: 0, receipts: 0, unexpected: 0, dropped: 0, pending: 0 })
  })

  test('carry what JSON loses, both ways, between any two', async () => {
    const c = sameProcessCluster(echo, {}, echo)
    await c.started()
    const value = { at: new Date(5), set: new Set([1n]), bytes: Buffer.from('x'), none: undefined }
    for (const from of [c.cluster, await c.worker(1)]) {
      for (const to of [1, 2, 'primary'] as const) {
        const call = from.call(to, 'echo', [value])
        await c.clock.settle()
        expect(await call).toEqual(value)
      }
    }
  })

  test('to oneself are copied as to any other', async () => {
    const c = sameProcessCluster(echo, {}, echo)
    await c.started()
    const value = { list: [1] }
    for (const [from, to] of [
      [c.cluster, 'primary'],
      [await c.worker(1), 1],
    ] as const) {
      const call = from.call(to, 'echo', [value])
      value.list.push(2)
      await c.clock.settle()
      const back = (await call) as typeof value
      expect(back).toEqual({ list: [1] })
      value.list.pop()
    }
  })

  test('that throw come back with the error', async () => {
    const c = sameProcessCluster(echo)
    await c.started()
    const failed = rejection(RemoteError, (await c.worker(1)).call(2, 'fail', []))
    await c.clock.settle()
    expect(await failed).toMatchObject({ from: { id: 2, incarnation: 2 }, remote: { message: 'no', code: 'E_NO' } })
  })

  test('to a worker that dies reject, in the primary and in other workers', async () => {
    const c = sameProcessCluster(echo)
    await c.started()
    const failed = [c.cluster, await c.worker(1)].map((from) => rejection(WorkerGoneError, from.call(2, 'hang', [])))
    await c.clock.settle()
    c.workers[1]?.die()
    await c.clock.settle()
    for (const error of await Promise.all(failed))
      expect(error).toMatchObject({ id: 2, incarnation: 2, pid: 102, signal: 'SIGKILL', sent: 'maybe' })
  })

  test('to a worker that is being restarted wait for the next one', async () => {
    const c = sameProcessCluster(echo)
    await c.started()
    let call: Promise<unknown> | undefined
    c.cluster.on('exit', () => {
      call = c.cluster.call(2, 'who', [])
    })
    c.workers[1]?.die()
    await c.clock.settle()
    expect(await call).toBe(2)
    expect(c.cluster.workers.get(2)).toMatchObject({ incarnation: 3, state: 'ready' })
  })
})

describe('channels', () => {
  test('reach every process that has subscribed, and the receipt names them', async () => {
    const c = sameProcessCluster(echo)
    await c.started()
    const news = channel<string>('news')
    const heard: string[] = []
    const [one, two] = [await c.worker(1), await c.worker(2)]
    const subscriptions = [c.cluster, one, two].map((process, index) =>
      process.subscribe(news, (value) => heard.push(`${index} ${value}`)),
    )
    await c.clock.settle()
    await Promise.all(subscriptions.map(({ active }) => active))
    const published = one.publish(news, 'hello', { ack: true })
    await c.clock.settle()
    expect(await published).toEqual({
      acknowledged: [
        { id: 0, incarnation: 0 },
        { id: 1, incarnation: 1 },
        { id: 2, incarnation: 2 },
      ],
      failed: [],
    })
    expect(heard.sort()).toEqual(['0 hello', '1 hello', '2 hello'])
  })

  test('a subscription made right after joining hears what is published when the cluster is ready', async () => {
    const c = sameProcessCluster(echo)
    const heard: string[] = []
    const started = c.started()
    for (const { joined } of c.workers)
      void joined.then((worker) => worker.subscribe(channel<string>('news'), (value) => heard.push(value)))
    await started
    const published = c.cluster.publish(channel<string>('news'), 'first')
    await c.clock.settle()
    await published
    expect(heard).toEqual(['first', 'first'])
  })
})

describe('who is there', () => {
  test('is the same everywhere, through a death, a reload and a scale', async () => {
    const c = sameProcessCluster(echo)
    await c.started()
    const everywhere = async (): Promise<string[]> => {
      const processes = [
        c.cluster,
        ...(await Promise.all([...c.cluster.workers.values()].map((w) => c.worker(w.incarnation)))),
      ]
      return processes.map(({ workers }) =>
        [...workers.values()].map(({ id, incarnation, state }) => `${id}/${incarnation} ${state}`).join(', '),
      )
    }
    const same = async (text: string): Promise<void> => {
      await c.clock.settle()
      for (const view of await everywhere()) expect(view).toBe(text)
    }
    await same('1/1 ready, 2/2 ready')
    c.workers[0]?.die()
    await same('1/3 ready, 2/2 ready')
    const reload = c.cluster.reload({ settle: 0 })
    await c.clock.settle()
    await reload
    await same('1/4 ready, 2/5 ready')
    const scaled = c.cluster.scale(3)
    await c.clock.settle()
    await scaled
    await same('1/4 ready, 2/5 ready, 3/6 ready')
    const fewer = c.cluster.scale(1)
    await c.clock.settle()
    await fewer
    await same('1/4 ready')
  })

  test('a worker believes what it is told last, also right behind its welcome', async () => {
    const [primary, end] = memoryLink<DownFrame, UpFrame>({ copy: true })
    const clock = new FakeClock()
    const host = new WorkerHost({
      identity: {
        id: 1,
        incarnation: 1,
        primary: 0,
        signals: false,
        limits: DEFAULT_LIMITS,
        timeouts: DEFAULT_TIMEOUTS,
      },
      link: end,
      clock,
      drainConnections: async () => 0,
      connections: () => {},
      released: () => {},
    })
    const joining = buildWorker({}, {}, { host, clock, logger: new FakeLogger() })
    const member = (state: MemberRecord['state']): MemberRecord => ({
      id: 2,
      incarnation: 2,
      pid: 1,
      state,
      current: true,
      calls: 0,
      connections: 0,
      methods: {},
    })
    // One batch: another worker became ready while this one was welcomed.
    primary.send({
      kind: 'welcome',
      members: [{ member: member('starting'), gone: false, removed: false }],
      primary: {},
    })
    primary.send({ kind: 'member', member: member('ready'), gone: false, removed: false })
    expect((await joining).workers.get(2)?.state).toBe('ready')
  })
})

describe('the end', () => {
  test('is in order: what runs is answered, nobody is left, and everything after it is refused', async () => {
    let finish!: (value: string) => void
    const c = sameProcessCluster({ work: () => new Promise((resolve) => (finish = resolve)) })
    await c.started()
    const running = c.cluster.call(1, 'work', [])
    await c.clock.settle()
    const stopped = c.cluster.stop()
    await c.clock.settle()
    finish('done')
    await c.clock.settle()
    expect(await running).toBe('done')
    expect(await stopped).toEqual({ cut: 0, killed: 0 })
    expect(await c.cluster.closed).toEqual({ reason: 'stopped' })
    expect(c.cluster.processes.size).toBe(0)
    await expect(c.cluster.call(1, 'work', [])).rejects.toMatchObject({ code: 'ERR_CLUSTER_CLOSED' })
  })
})
