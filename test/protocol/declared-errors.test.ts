import { describe, expect, test } from 'vitest'
import { declaredNameOf, declareError, toCallerError } from '../../src/protocol/declared-errors.js'
import { type ErrorRecord, toRecord } from '../../src/protocol/error-record.js'
import { RemoteError, UsageError, WorkerGoneError } from '../../src/protocol/errors.js'
import { toThrown } from '../../src/protocol/thrown.js'
import { thrown } from '../support/outcome.js'

let made = 0
const NoMoney = declareError(
  class NoMoney extends Error {
    readonly code = 'E_NO_MONEY'
    readonly balance: number
    readonly #secret = 1
    constructor(balance: number) {
      super(`there are ${balance} left`)
      made++
      this.balance = balance
    }
    override get name() {
      return 'NoMoney'
    }
    get isBroke(): boolean {
      return this.balance === 0
    }
    get secret(): number {
      return this.#secret
    }
  },
)

/** As it crosses the wire. */
function crossed(error: unknown, changes: object = {}): Error {
  const record = toRecord(
    new RemoteError({
      target: 1,
      method: 'pay',
      from: { id: 1, incarnation: 1 },
      thrown: { ...toThrown(error), declared: declaredNameOf(error), ...changes },
    }),
  )
  return toCallerError(JSON.parse(JSON.stringify(record)) as ErrorRecord)
}

describe('an error of a declared class', () => {
  test('arrives as one of that class, with its own properties, and the remote error as its cause', () => {
    const before = new NoMoney(5)
    made = 0
    const error = crossed(before) as InstanceType<typeof NoMoney>
    expect(error).toBeInstanceOf(NoMoney)
    expect(error).toMatchObject({ name: 'NoMoney', message: 'there are 5 left', code: 'E_NO_MONEY', balance: 5 })
    expect(error.isBroke).toBe(false)
    expect(made).toBe(0)
    expect(error.stack).toMatch(/^NoMoney: there are 5 left\n\s+at .*crossed/)
    expect(error.cause).toBeInstanceOf(RemoteError)
    expect((error.cause as RemoteError).remote.stack).toBe(before.stack)
  })

  test('is of the nearest class that is declared', () => {
    class Frozen extends NoMoney {}
    const error = crossed(new Frozen(0))
    expect(error).toBeInstanceOf(NoMoney)
    expect(error).not.toBeInstanceOf(Frozen)
  })

  test('is a remote error where its class is not declared', () => {
    expect(crossed(new RangeError('far'))).toBeInstanceOf(RemoteError)
    expect(crossed(new NoMoney(1), { declared: 'Unheard' })).toBeInstanceOf(RemoteError)
    expect(crossed('only a text')).toBeInstanceOf(RemoteError)
  })

  test('sets nothing that an object has from elsewhere', () => {
    const properties = JSON.parse('{"__proto__":{"polluted":1},"stack":"mine","constructor":1,"cause":2,"ok":3}')
    const error = crossed(new NoMoney(1), { properties })
    expect(Object.keys(error)).toEqual(['ok', 'code'])
    expect(error.constructor).toBe(NoMoney)
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })

  test('cannot be named by what every object has', () => {
    for (const declared of ['constructor', '__proto__', 'toString', 7])
      expect(crossed(new NoMoney(1), { declared })).toBeInstanceOf(RemoteError)
  })
})

test("errors of ours are themselves, whatever the program's classes are called", () => {
  const gone = toRecord(new WorkerGoneError({ id: 1, incarnation: 1 }))
  expect(toCallerError(gone)).toBeInstanceOf(WorkerGoneError)
})

describe('a declaration', () => {
  test('gives the class back, and may be made again', () => {
    expect(declareError(NoMoney)).toBe(NoMoney)
  })

  test.each<[string, () => unknown, string]>([
    [
      'of no class',
      () => declareError(undefined as never),
      'Expected `declareError` to get a class that extends Error',
    ],
    ['of another class', () => declareError(Map as never), 'Expected `declareError` to get a class that extends Error'],
    ['of Error itself', () => declareError(Error), 'Expected `declareError` to get a class that extends Error'],
    [
      'of a name that is taken',
      () => declareError(class extends Error {}, 'NoMoney'),
      'Two error classes are declared as "NoMoney". Give one of them another name as the second argument',
    ],
    [
      'without a name',
      () => declareError(class extends Error {}),
      'Expected a name for the error class: name the class, or give the name as the second argument',
    ],
  ])('%s is refused', (_, declare, message) => {
    expect(thrown(UsageError, declare).message).toBe(message)
  })
})
