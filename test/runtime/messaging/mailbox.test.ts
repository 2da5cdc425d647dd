import fc from 'fast-check'
import { assert, describe, expect, test } from 'vitest'
import { type Letter, Mailbox, type MailboxOptions } from '../../../src/runtime/messaging/mailbox.js'

const NONE = Number.POSITIVE_INFINITY

interface Fields {
  readonly method?: string
  readonly route?: number
  /** The calls that wait for it. */
  readonly ancestors?: readonly number[]
}

function letterOf({ method = 'm', route, ancestors = [] }: Fields, start: () => void): Letter {
  return { method, route, place: 0, isAwaitedBy: (other) => ancestors.includes(other), start }
}

function open(options: Partial<MailboxOptions> & { methods?: Record<string, number> } = {}) {
  const started: string[] = []
  const mailbox = new Mailbox({
    limit: options.limit ?? 100,
    concurrency: options.concurrency ?? NONE,
    concurrencyOf: (method) => options.methods?.[method] ?? NONE,
  })
  const letter = (name: string, fields: Fields = {}): Letter => letterOf(fields, () => started.push(name))
  return { mailbox, started, letter }
}

test('everything starts at once when there is no limit', () => {
  const { mailbox, started, letter } = open()
  expect(['a', 'b', 'c'].map((name) => mailbox.admit(letter(name)))).toEqual(['started', 'started', 'started'])
  expect(started).toEqual(['a', 'b', 'c'])
})

test('what is over the limit is refused, running and waiting counted together', () => {
  const { mailbox, letter } = open({ limit: 3, concurrency: 1 })
  expect(['a', 'b', 'c', 'd'].map((name) => mailbox.admit(letter(name)))).toEqual([
    'started',
    'queued',
    'queued',
    'full',
  ])
  expect(mailbox.size).toBe(3)
})

test('a place that becomes free can be taken', () => {
  const { mailbox, letter } = open({ limit: 1 })
  const first = letter('a')
  mailbox.admit(first)
  expect(mailbox.admit(letter('b'))).toBe('full')
  mailbox.release(first)
  expect(mailbox.admit(letter('c'))).toBe('started')
})

test('with concurrency 1 one runs at a time, in the order of arrival', () => {
  const { mailbox, started, letter } = open({ concurrency: 1 })
  const letters = ['a', 'b', 'c'].map((name) => letter(name))
  for (const one of letters) mailbox.admit(one)
  expect(started).toEqual(['a'])
  mailbox.release(letters[0]!)
  expect(started).toEqual(['a', 'b'])
  mailbox.release(letters[1]!)
  expect(started).toEqual(['a', 'b', 'c'])
})

test('a method with a limit does not hold up the others', () => {
  const { mailbox, started, letter } = open({ methods: { serial: 1 } })
  const first = letter('s1', { method: 'serial' })
  mailbox.admit(first)
  mailbox.admit(letter('s2', { method: 'serial' }))
  mailbox.admit(letter('free'))
  expect(started).toEqual(['s1', 'free'])
  mailbox.release(first)
  expect(started).toEqual(['s1', 'free', 's2'])
})

test('a place goes to whoever waited longest and may start, past those who may not', () => {
  const { mailbox, started, letter } = open({ concurrency: 2, methods: { serial: 1 } })
  const serial = letter('s1', { method: 'serial' })
  const free = letter('f1')
  for (const one of [serial, free, letter('s2', { method: 'serial' }), letter('f2'), letter('f3')]) mailbox.admit(one)
  expect(started).toEqual(['s1', 'f1'])
  mailbox.release(free)
  expect(started).toEqual(['s1', 'f1', 'f2'])
  mailbox.release(serial)
  expect(started).toEqual(['s1', 'f1', 'f2', 's2'])
})

test('who waits can be taken out, and is never started', () => {
  const { mailbox, started, letter } = open({ concurrency: 1 })
  const [first, waiting, last] = [letter('a'), letter('b'), letter('c')]
  for (const one of [first, waiting, last]) mailbox.admit(one)
  mailbox.withdraw(waiting)
  mailbox.release(first)
  expect(started).toEqual(['a', 'c'])
})

test('who runs keeps its place when nobody waits for it any more', () => {
  const { mailbox, started, letter } = open({ concurrency: 1 })
  const [running, next] = [letter('a'), letter('b')]
  for (const one of [running, next]) mailbox.admit(one)
  mailbox.withdraw(running)
  expect(started).toEqual(['a'])
  expect(mailbox.abandoned).toBe(1)
  mailbox.release(running)
  expect(mailbox.abandoned).toBe(0)
  expect(started).toEqual(['a', 'b'])
})

test('a letter that only its own ancestors of the same method hold back is a cycle, whatever else runs', () => {
  const { mailbox } = open({ concurrency: 2, methods: { serial: 1 } })
  const make = (method: string, route: number, ancestors: number[] = []): Letter =>
    letterOf({ method, route, ancestors }, () => {})
  mailbox.admit(make('serial', 1))
  mailbox.admit(make('free', 2))
  expect(mailbox.admit(make('serial', 3, [1]))).toBe('cycle')
})

test('releasing twice frees one place', () => {
  const { mailbox, started, letter } = open({ concurrency: 1 })
  const first = letter('a')
  for (const one of [first, letter('b'), letter('c')]) mailbox.admit(one)
  mailbox.release(first)
  mailbox.release(first)
  expect(started).toEqual(['a', 'b'])
})

test('a letter that ends while it starts passes its place on', () => {
  const { mailbox, started } = open({ concurrency: 1, limit: 100_000 })
  const quick = (name: string): Letter => {
    const letter = letterOf({}, () => {
      started.push(name)
      mailbox.release(letter)
    })
    return letter
  }
  const slow = letterOf({}, () => started.push('slow'))
  mailbox.admit(slow)
  // So many that one inside the other would overflow the stack.
  const names = Array.from({ length: 50_000 }, (_, index) => `${index}`)
  for (const name of names) mailbox.admit(quick(name))
  mailbox.release(slow)
  expect(started).toEqual(['slow', ...names])
  expect(mailbox.size).toBe(0)
})

describe('a letter that could only wait for itself', () => {
  test('is refused when the only place is held by its ancestor', () => {
    const { mailbox, letter } = open({ concurrency: 1 })
    mailbox.admit(letter('a', { route: 7 }))
    expect(mailbox.admit(letter('b', { route: 9, ancestors: [3, 7] }))).toBe('cycle')
    expect(mailbox.size).toBe(1)
  })

  test('waits when one of the places is held by somebody else', () => {
    const { mailbox, letter } = open({ concurrency: 2 })
    mailbox.admit(letter('a', { route: 7 }))
    mailbox.admit(letter('other', { route: 8 }))
    expect(mailbox.admit(letter('b', { route: 9, ancestors: [7] }))).toBe('queued')
  })

  test('waits when a place is held by a cast, which waits for nobody', () => {
    const { mailbox, letter } = open({ concurrency: 1 })
    mailbox.admit(letter('cast'))
    expect(mailbox.admit(letter('b', { route: 9, ancestors: [7] }))).toBe('queued')
  })

  test('is refused when every place of its method is held by its ancestors, whatever else runs', () => {
    const { mailbox, letter } = open({ methods: { serial: 1 } })
    mailbox.admit(letter('a', { route: 7, method: 'serial' }))
    mailbox.admit(letter('other', { route: 8 }))
    expect(mailbox.admit(letter('b', { route: 9, method: 'serial', ancestors: [7] }))).toBe('cycle')
  })

  test('starts when there is a place for it', () => {
    const { mailbox, letter } = open({ concurrency: 2 })
    mailbox.admit(letter('a', { route: 7 }))
    expect(mailbox.admit(letter('b', { route: 9, ancestors: [7] }))).toBe('started')
  })
})

test('never more run than may, none is lost, whatever comes and goes', () => {
  const commands = fc.array(
    fc.oneof(
      fc.record({ admit: fc.constantFrom('free', 'serial', 'pair') }),
      fc.record({ release: fc.nat({ max: 20 }) }),
    ),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(commands, fc.integer({ min: 1, max: 4 }), (steps, concurrency) => {
      const limits: Record<string, number> = { serial: 1, pair: 2 }
      const running = new Set<Letter>()
      const accepted: Letter[] = []
      const mailbox = new Mailbox({ limit: 10, concurrency, concurrencyOf: (method) => limits[method] ?? NONE })
      for (const step of steps) {
        if ('admit' in step) {
          const letter = letterOf({ method: step.admit }, () => running.add(letter))
          if (mailbox.admit(letter) !== 'full') accepted.push(letter)
        } else {
          const [letter] = accepted.splice(step.release % Math.max(1, accepted.length), 1)
          if (letter) {
            if (running.delete(letter)) mailbox.release(letter)
            else mailbox.withdraw(letter)
          }
        }
        assert.isAtMost(running.size, concurrency)
        for (const [method, limit] of Object.entries(limits))
          assert.isAtMost([...running].filter((letter) => letter.method === method).length, limit)
        assert.equal(mailbox.size, accepted.length)
      }
      // Whoever is left runs in the end.
      while (accepted.length > 0) {
        const letter = accepted.find((one) => running.has(one))
        assert.isDefined(letter, 'somebody waits for nobody')
        accepted.splice(accepted.indexOf(letter!), 1)
        running.delete(letter!)
        mailbox.release(letter!)
      }
    }),
  )
})
