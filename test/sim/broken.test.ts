import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Clock } from '../../src/runtime/clock.js'
import { KeyedCalls } from '../../src/runtime/messaging/keyed-calls.js'
import { Mailbox } from '../../src/runtime/messaging/mailbox.js'
import { Pending } from '../../src/runtime/messaging/pending.js'
import { StreamCalls } from '../../src/runtime/messaging/streams/stream-calls.js'
import { StreamReader } from '../../src/runtime/messaging/streams/stream-reader.js'
import type { LinkEnds, Passing, SimulationHooks } from '../../src/testing/hooks.js'
import { runSeed } from './run-seed.js'
import type { Invariant } from './violation.js'

vi.setConfig({ testTimeout: 120_000 })

// The judge judged: each mechanism is broken once, and some seed has to fail for it, by the right name.

/** The invariants that a few seeds break, with a mechanism broken. */
async function broken(hooks: () => SimulationHooks, seeds = 12, calm = false): Promise<Set<Invariant>> {
  const found = new Set<Invariant>()
  for (let seed = 1; seed <= seeds; seed++)
    for (const { invariant } of (await runSeed(seed, hooks(), calm)).violations) found.add(invariant)
  return found
}

/** Every so many-th frame of that kind is replaced. */
function everyNth(n: number, kind: string, by: (frame: object) => readonly object[]): () => SimulationHooks {
  return () => {
    let seen = 0
    return { replace: ({ frame }: Passing) => (frame.kind === kind && ++seen % n === 0 ? by(frame) : [frame]) }
  }
}

/** A clock whose timers of more than a few ms are late. */
function lateBy(ms: number): () => SimulationHooks {
  return () => ({
    clock: (clock: Clock): Clock => ({
      ...clock,
      after: (after, run, options) => clock.after(after > 5 ? after + ms : after, run, options),
      at: (time, task) => clock.at(time > clock.now() + 5 ? time + ms : time, task),
    }),
  })
}

/** Links that take everything. */
const neverFull = (): SimulationHooks => {
  const open = <L extends object>(link: L): L =>
    new Proxy(link, {
      get(target, name) {
        if (name === 'full') return false
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  return { links: ({ primary, worker }: LinkEnds) => ({ primary: open(primary), worker: open(worker) }) }
}

describe('a cluster with nothing broken', () => {
  test('breaks nothing in these seeds', async () => {
    expect(await broken(() => ({}))).toEqual(new Set())
  })
})

describe('is caught', () => {
  test('a reply that is lost', async () => {
    const found = await broken(everyNth(10, 'result', () => []))
    expect(found).toContain('answers')
    expect(found).toContain('heals')
  })

  test('a reply that is given twice', async () => {
    expect(await broken(everyNth(5, 'result', (frame) => [frame, frame]))).toContain('settles once')
  })

  test('a call that is sent twice', async () => {
    expect(await broken(everyNth(5, 'invoke', (frame) => [frame, { ...frame, route: 1_000_000 }]))).toContain(
      'runs once',
    )
  })

  test('a message that overtakes another', async () => {
    let kept: object | undefined
    const overtaken = everyNth(3, 'invoke', (frame) => {
      kept = frame
      return []
    })
    const hooks = (): SimulationHooks => {
      const { replace } = overtaken()
      kept = undefined
      return {
        replace(passing) {
          const before = kept
          kept = undefined
          const now = replace?.(passing) ?? []
          return before ? [...now, before] : now
        },
      }
    }
    expect(await broken(hooks)).toContain('order')
  })

  test('a fence that is lost in the primary', async () => {
    const hooks = (): SimulationHooks => ({
      replace: ({ frame, direction }) => (direction === 'down' && frame.kind === 'fence' ? [] : [frame]),
    })
    expect(await broken(hooks)).toContain('heals')
  })

  test('items of a stream that are lost', async () => {
    expect(await broken(everyNth(3, 'items', () => []))).toContain('heals')
  })

  test('a message of a channel that is lost, and one that comes twice', async () => {
    expect(await broken(everyNth(5, 'message', () => []))).toContain('truth')
    expect(await broken(everyNth(5, 'message', (frame) => [frame, frame]))).toContain('runs once')
  })

  test('a process that is not told that it was disconnected', async () => {
    expect(
      await broken(
        everyNth(1, 'unsubscribed', () => []),
        60,
      ),
    ).toContain('truth')
  })

  test('a generator that goes on when its reader has left', async () => {
    expect(await broken(everyNth(1, 'cancel', () => []))).toContain('quiet')
  })

  test('an answer that cannot be written, and nothing in its place', async () => {
    const hooks = everyNth(1, 'failure', (frame) => (JSON.stringify(frame).includes('cannot be sent') ? [] : [frame]))
    expect(await broken(hooks, 40, true)).toContain('answers')
  })

  test('a timer that is late', async () => {
    expect(await broken(lateBy(50))).toContain('in time')
  })

  test('a link without a limit', async () => {
    expect(await broken(neverFull, 40)).toContain('bounded')
  })
})

describe('is caught, with the mechanism itself taken out', () => {
  const restore: (() => void)[] = []

  afterEach(() => {
    for (const undo of restore.splice(0)) undo()
  })

  function replaceMethod<T extends object, K extends keyof T>(target: T, name: K, by: (original: T[K]) => T[K]): void {
    const original = target[name]
    target[name] = by(original)
    restore.push(() => {
      target[name] = original
    })
  }

  test('a call that is settled and still pending: its deadline settles it again', async () => {
    replaceMethod(
      Pending.prototype as { settle(id: number, answer: unknown): boolean },
      'settle',
      () =>
        function (this: Pending<unknown>) {
          return true
        } as never,
    )
    expect(await broken(() => ({}), 4)).toContain('settles once')
  })

  test('a stream that loses items and does not notice', async () => {
    replaceMethod(
      StreamReader.prototype,
      'accept',
      (accept) =>
        function (this: StreamReader, frame) {
          return frame.items.length > 3 ? 'next' : accept.call(this, frame)
        },
    )
    expect(await broken(() => ({}))).toContain('truth')
  })

  test('a stream that says of every failure that nothing has run', async () => {
    replaceMethod(
      StreamCalls.prototype,
      'settle',
      (settle) =>
        function (this: StreamCalls, frame) {
          if (frame.kind === 'result') return settle.call(this, frame)
          const { error } = frame
          return settle.call(this, { ...frame, error: { ...error, details: { ...error.details, sent: 'no' } } })
        },
    )
    expect(await broken(() => ({}))).toContain('truth')
  })

  test('a key that is not looked up', async () => {
    replaceMethod(KeyedCalls.prototype, 'arrive', () => () => ({ kind: 'first' }))
    expect(await broken(() => ({}))).toContain('runs once')
  })

  test('an answer that those with the same key do not get', async () => {
    replaceMethod(
      KeyedCalls.prototype,
      'settle',
      (settle) =>
        function (this: KeyedCalls, frame, answer) {
          settle.call(this, frame, answer)
          return []
        },
    )
    expect(await broken(() => ({}), 40, true)).toContain('answers')
  })

  test.each(['serial', 'work'])('a mailbox that lets more than it may run at once: %s', async (method) => {
    replaceMethod(
      Mailbox.prototype,
      'admit',
      (admit) =>
        function (this: Mailbox, letter) {
          const admission = admit.call(this, letter)
          if (admission === 'queued' && letter.method === method) letter.start()
          return admission
        },
    )
    expect(await broken(() => ({}), 40)).toContain('bounded')
  })

  test('a mailbox that refuses nobody', async () => {
    replaceMethod(
      Mailbox.prototype,
      'admit',
      (admit) =>
        function (this: Mailbox, letter) {
          const admission = admit.call(this, letter)
          if (admission === 'full') letter.start()
          return admission === 'full' ? 'started' : admission
        },
    )
    expect(await broken(() => ({}), 40)).toContain('bounded')
  })
})
