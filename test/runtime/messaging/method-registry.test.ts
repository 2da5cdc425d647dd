import { describe, expect, test } from 'vitest'
import { method } from '../../../src/protocol/contract.js'
import { UsageError } from '../../../src/protocol/errors.js'
import { registerMethods, toMethodTable } from '../../../src/runtime/messaging/method-registry.js'
import { thrown } from '../../support/outcome.js'
import { numberSchema } from '../../support/schemas.js'

const message = (methods: unknown): string =>
  thrown(UsageError, () => registerMethods(methods as object, 'methods')).message

test('registers own functions by name, bound to their object', () => {
  const registry = registerMethods(
    {
      base: () => 2,
      double(this: { base(): number }, n: number) {
        return n * this.base()
      },
    },
    'methods',
  )
  expect([...registry.keys()]).toEqual(['base', 'double'])
  expect(registry.get('double')?.run(4)).toBe(8)
})

test('nothing given is nothing registered', () => {
  expect(registerMethods(undefined, 'methods').size).toBe(0)
  expect(registerMethods({}, 'methods').size).toBe(0)
})

test('a module namespace can be given', async () => {
  const registry = registerMethods(
    { ...(await import('../../support/schemas.js')), numberSchema: () => {}, slowSchema: () => {} },
    'm',
  )
  expect([...registry.keys()].sort()).toEqual(['numberSchema', 'slowSchema'])
})

test('announces the options of each method, and no code', () => {
  const registry = registerMethods(
    { plain() {}, charge: method({ idempotent: true, timeout: 500, concurrency: 2 }, () => {}) },
    'methods',
  )
  expect(JSON.parse(JSON.stringify(toMethodTable(registry)))).toEqual({
    plain: {},
    charge: { idempotent: true, timeout: 500, concurrency: 2 },
  })
})

describe('refuses', () => {
  test.each<[string, unknown, string]>([
    ['a function', () => {}, 'Expected `methods` to be an object of functions, got a function'],
    ['null', null, 'Expected `methods` to be an object of functions, got null'],
    ['a list', [() => {}], 'Expected `methods` to be an object of functions, got an array'],
    ['a property that is no function', { limit: 5 }, 'Expected `methods.limit` to be a function, got 5'],
    [
      'a name too long',
      { ['n'.repeat(257)]: () => {} },
      `Expected the name of a method to have at most 256 characters, got "${'n'.repeat(60)}…"`,
    ],
    [
      'a wrong timeout',
      { a: method({ timeout: 0 }, () => {}) },
      'Expected `methods.a.timeout` to be a number of milliseconds between 1 and 2147483647, got 0',
    ],
    [
      'a wrong concurrency',
      { a: method({ concurrency: 1.5 }, () => {}) },
      'Expected `methods.a.concurrency` to be a positive integer, got 1.5',
    ],
    [
      'what is no schema',
      { a: method({ input: {} as never }, () => {}) },
      'Expected `methods.a.input` to be a Standard Schema (zod, valibot, arktype, …)',
    ],
  ])('%s', (_, methods, text) => {
    expect(message(methods)).toBe(text)
  })

  test('an instance of a class, whose methods are not its own, and says what to write', () => {
    class Service {
      resize(): void {}
    }
    expect(message(new Service())).toMatch(
      /got an instance of Service: only own properties can be called\. List its methods/,
    )
  })

  test.each(['then', 'toJSON', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '__proto__'])(
    'a method named %s',
    (name) => {
      expect(message(Object.defineProperty({}, name, { value() {}, enumerable: true }))).toContain(
        `A method cannot be named \`${name}\``,
      )
    },
  )
})

test('takes a schema, on the function that can still be called directly', () => {
  const half = method({ input: numberSchema }, (n: number) => n / 2)
  expect(half(4)).toBe(2)
  expect(registerMethods({ half }, 'methods').get('half')?.options.input).toBe(numberSchema)
})
