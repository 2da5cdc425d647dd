import {
  CallAbortedError,
  CallCycleError,
  CallTimeoutError,
  NoSuchMethodError,
  NoSuchWorkerError,
  PayloadError,
  type PrimaryCluster,
  RemoteError,
  UsageError,
} from 'troupe'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/runtime/clock.js'
import { echoCluster, rejection } from '../support/echo-cluster.js'
import type { EchoContract } from './fixtures/echo-contract.js'

let cluster: PrimaryCluster<EchoContract> & { collected: number[] }
beforeAll(async () => {
  cluster = await echoCluster()
})
afterAll(() => cluster.stop())

describe('a call', () => {
  it('reaches the worker of that id and brings its value back', async () => {
    expect(await cluster.call(1, 'add', [1, 2])).toBe(3)
    expect((await cluster.call(1, 'who', [])).id).toBe(1)
    expect((await cluster.worker(2).who()).id).toBe(2)
  })

  it('keeps what JSON would lose, in both directions', async () => {
    const value = [
      new Map([['a', new Date(5)]]),
      new Set([1n]),
      undefined,
      Number.NaN,
      -0,
      Buffer.from('bytes'),
      new Float64Array([-0]),
    ]
    expect(await cluster.call(1, 'echo', value)).toStrictEqual(value)
  })

  it('goes from worker to worker through the primary, with the caller known', async () => {
    expect(await cluster.call(1, 'callOther', [2, 'echo', new Map([[1, 2]])])).toStrictEqual([new Map([[1, 2]])])
    expect(await cluster.call(2, 'askPrimary', [])).toEqual({ id: 2, incarnation: cluster.workers.get(2)?.incarnation })
    expect(await cluster.call(1, 'callerOf', [])).toEqual({ id: 0, incarnation: 0 })
  })

  it('to any worker takes turns among idle ones', async () => {
    const pids = new Set<number>()
    for (let call = 0; call < 10; call++) pids.add((await cluster.any().who()).pid)
    expect(pids.size).toBe(2)
  })

  it('to any worker avoids the busy one', async () => {
    const busy = cluster.call(1, 'after', [300])
    const ids: number[] = []
    for (let call = 0; call < 6; call++) ids.push((await cluster.any().who()).id)
    expect(new Set(ids)).toEqual(new Set([2]))
    await busy
  })

  it('to the primary goes through the codec too', async () => {
    await cluster.call('primary', 'collect', [7])
    expect(cluster.collected).toContain(7)
    expect(await cluster.primary().whoCalls()).toEqual({ id: 0, incarnation: 0 })
  })

  it('rejects at its deadline, and says that the outcome is unknown', async () => {
    const error = await rejection(cluster.call(1, 'never', [], { timeout: 30 }))
    expect(error).toBeInstanceOf(CallTimeoutError)
    expect(error).toMatchObject({ code: 'ERR_CALL_TIMEOUT', target: 1, method: 'never', sent: 'maybe' })
  })

  it("uses the method's own deadline when the call names none", async () => {
    expect(await rejection(cluster.call(1, 'hasty', []))).toMatchObject({
      code: 'ERR_CALL_TIMEOUT',
      timeout: expect.closeTo(50, 0),
    })
    expect(await rejection(cluster.call(1, 'callOther', [2, 'hasty' as 'echo']))).toMatchObject({
      remote: { code: 'ERR_CALL_TIMEOUT' },
    })
  })

  it('passes its deadline on to nested calls', async () => {
    const { now } = systemClock()
    const sent = now()
    const [deadline, nested] = await cluster.call(1, 'deadlines', [2], { timeout: 700 })
    expect(nested).toBe(deadline)
    // Rounded up to a whole millisecond.
    expect(deadline).toBeGreaterThanOrEqual(sent + 700)
    expect(deadline).toBeLessThan(now() + 701)
  })

  it('fails at once for a worker, a method or an inherited name that does not exist', async () => {
    expect(await rejection(cluster.call(9, 'add', [1, 2]))).toBeInstanceOf(NoSuchWorkerError)
    for (const name of ['nothing', 'constructor', '__proto__', 'then', 'toString', 'hasOwnProperty']) {
      expect(await rejection(cluster.call(1, name as 'who', []))).toBeInstanceOf(NoSuchMethodError)
    }
    expect(await rejection(cluster.call('primary', 'nothing' as 'whoCalls', []))).toBeInstanceOf(NoSuchMethodError)
    expect(await rejection(cluster.cast(9, 'add', [1, 2]))).toBeInstanceOf(NoSuchWorkerError)
    expect(await rejection(cluster.cast(1, 'nothing' as 'add', [1, 2]))).toBeInstanceOf(NoSuchMethodError)
  })

  it('names the place in arguments or results that cannot be sent', async () => {
    expect(await rejection(cluster.call(1, 'echo', [{ rows: [{ run: () => 1 }] }]))).toMatchObject({
      code: 'ERR_PAYLOAD',
      path: 'args[0].rows[0].run',
      sent: 'no',
    })
    expect(await rejection(cluster.call(1, 'unsendable', []))).toMatchObject({
      code: 'ERR_PAYLOAD',
      path: 'result.run',
      sent: 'yes',
    })
    expect(await rejection(cluster.call(1, 'echo', ['x'.repeat(5_000_000)]))).toBeInstanceOf(PayloadError)
  })

  it('brings back what was thrown, whatever it was', async () => {
    const error = (await rejection(cluster.call(1, 'fail', ['error']))) as RemoteError
    expect(error).toBeInstanceOf(RemoteError)
    expect(error.message).toBe('fail on worker 1 threw RangeError: too far')
    expect(error.remote).toMatchObject({
      name: 'RangeError',
      code: 'E_FAR',
      properties: { limit: 7 },
      cause: { message: 'the reason' },
    })
    expect(error.remote.stack).toContain('echo-methods')
    expect(await rejection(cluster.call(1, 'fail', ['string']))).toMatchObject({ remote: { message: 'only a text' } })
    expect(await rejection(cluster.call(1, 'fail', ['null']))).toMatchObject({ remote: { message: 'null' } })
    expect(await rejection(cluster.call(1, 'fail', ['getter']))).toBeInstanceOf(RemoteError)
  })

  it("shows the caller's stack also where the error was decided in a timer or by the router", async () => {
    const errors = [
      await rejection(cluster.call(1, 'never', [], { timeout: 20 })),
      await rejection(cluster.call(1, 'never', [], { signal: AbortSignal.timeout(20) })),
      await rejection(cluster.worker(9).who()),
      await rejection(cluster.call(1, 'echo', [() => 1])),
    ]
    for (const error of errors as Error[]) expect(error.stack).toContain('messaging-calls.test')
  })

  it("shows the caller's stack and none of the library's frames", async () => {
    const error = (await rejection(cluster.call(1, 'fail', ['error']))) as RemoteError
    expect(error.stack).toContain('messaging-calls.test')
    for (const stack of [error.stack, error.remote.stack])
      expect(stack).not.toMatch(/[\\/](dist|src)[\\/](runtime|protocol)[\\/]/)
  })

  it('fails at once when it would wait for itself on a serial method', async () => {
    const error = await rejection(cluster.call(1, 'serial', [1], { timeout: 3_000 }))
    expect(error).toMatchObject({ remote: { code: 'ERR_CALL_CYCLE' } })
    expect((error as RemoteError).remote.message).toContain('worker 1.serial -> worker 1.serial')
    expect(CallCycleError.name).toBe('CallCycleError')
  })

  it('refuses wrong arguments with a message that says what to do', async () => {
    const wrong: [() => Promise<unknown>, RegExp][] = [
      [() => cluster.call(-1, 'add', [1, 2]), /Expected `target` to be a worker id .*got -1/],
      [() => cluster.call('all' as 'any', 'add', [1, 2]), /got "all"/],
      [() => cluster.call(1, 'add', 5 as never), /Expected `args` of add to be an array/],
      [() => cluster.call(1, 'add', [1, 2], { timeout: -5 }), /Expected `options.timeout`/],
      [() => cluster.call(1, 'add', [1, 2], { timeout: Number.POSITIVE_INFINITY }), /Expected `options.timeout`/],
      [() => cluster.call(1, 'add', [1, 2], { timout: 5 } as never), /Unknown option `options.timout`/],
      [() => cluster.call(1, 'add', [1, 2], { signal: {} as AbortSignal }), /Expected `options.signal`/],
      [() => cluster.callAll('add', 'x' as never), /Expected `args`/],
    ]
    for (const [run, message] of wrong) {
      const error = await rejection(run())
      expect(error).toBeInstanceOf(UsageError)
      expect((error as Error).message).toMatch(message)
    }
  })
})

describe('cancellation', () => {
  it('by a signal rejects the call and fires the signal of the method', async () => {
    const controller = new AbortController()
    const call = cluster.call(1, 'untilAborted', ['by-signal'], { signal: controller.signal })
    await expect.poll(() => cluster.call(1, 'seen', ['by-signal'])).toBe('running')
    controller.abort(new Error('changed my mind'))
    const error = await rejection(call)
    expect(error).toBeInstanceOf(CallAbortedError)
    expect(error).toMatchObject({ name: 'AbortError', cause: { message: 'changed my mind' } })
    await expect.poll(() => cluster.call(1, 'seen', ['by-signal'])).toBe('AbortError')
  })

  it('by the deadline reaches the method too', async () => {
    expect(await rejection(cluster.call(1, 'untilAborted', ['by-deadline'], { timeout: 50 }))).toBeInstanceOf(
      CallTimeoutError,
    )
    await expect.poll(() => cluster.call(1, 'seen', ['by-deadline'])).toMatch(/AbortError|TimeoutError/)
  })

  it('reaches what the method itself has called', async () => {
    const controller = new AbortController()
    const call = cluster.call(1, 'callOther', [2, 'untilAborted', 'nested'], { signal: controller.signal })
    await expect.poll(() => cluster.call(2, 'seen', ['nested'])).toBe('running')
    controller.abort()
    await rejection(call)
    await expect.poll(() => cluster.call(2, 'seen', ['nested'])).toBe('AbortError')
  })

  it('before the call is sent sends nothing', async () => {
    expect(await rejection(cluster.call(1, 'note', [999], { signal: AbortSignal.abort() }))).toMatchObject({
      code: 'ERR_CALL_ABORTED',
      sent: 'no',
    })
    expect(await cluster.call(1, 'noted', [])).not.toContain(999)
  })
})

describe('casts and order', () => {
  it('arrive in the order in which they were sent, calls in between too', async () => {
    for (let value = 0; value < 2_000; value++) {
      if (value % 10 === 0) await cluster.call(2, 'note', [value])
      else void cluster.cast(2, 'note', [value])
    }
    expect(await cluster.call(2, 'noted', [])).toEqual(Array.from({ length: 2_000 }, (_, value) => value))
  })
})

describe('callAll', () => {
  it('gathers one outcome per ready worker and never rejects', async () => {
    const sums = await cluster.callAll('add', [2, 3])
    expect([...sums]).toEqual([
      [1, { status: 'fulfilled', value: 5 }],
      [2, { status: 'fulfilled', value: 5 }],
    ])
    const failures = await cluster.callAll('fail', ['error'])
    expect([...failures.values()].map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })
})

describe('the users own messages', () => {
  it('pass untouched in both directions, and ours reach no listener of theirs', async () => {
    const { default: nodeCluster } = await import('node:cluster')
    const fromEvents: unknown[] = []
    const off = cluster.on('message', ({ id, message }) => fromEvents.push([id, message]))
    const fromNode: unknown[] = []
    const listener = (_worker: unknown, message: unknown): void => void fromNode.push(message)
    nodeCluster.on('message', listener)

    const incarnation = cluster.workers.get(1)?.incarnation ?? 0
    nodeCluster.workers?.[incarnation]?.send({ kind: 'call', mine: true })
    await expect.poll(() => fromNode.length).toBe(1)
    await cluster.call(1, 'echo', [1])
    const echoed = { echoed: { kind: 'call', mine: true }, all: 1 }
    expect(fromNode).toEqual([echoed])
    expect(fromEvents).toEqual([[1, echoed]])
    nodeCluster.off('message', listener)
    off()
  })
})
