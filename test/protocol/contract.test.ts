import { describe, expect, test } from 'vitest'
import { type ChannelOptions, channel, METHOD_OPTIONS, method } from '../../src/protocol/contract.js'
import { toRecord } from '../../src/protocol/error-record.js'
import { UsageError, ValidationError } from '../../src/protocol/errors.js'
import { type StandardSchema, validate, validateNow } from '../../src/protocol/schema.js'
import { rejection, thrown } from '../support/outcome.js'
import { numberSchema, slowSchema } from '../support/schemas.js'

describe('channel', () => {
  test('is its name', () => {
    expect(channel('news')).toEqual({ name: 'news' })
  })

  test('keeps its schema', () => {
    expect(channel('numbers', numberSchema)).toEqual({ name: 'numbers', schema: numberSchema })
  })

  test('keeps what becomes of messages that are not read', () => {
    expect(channel('news', undefined, { overflow: 'drop-oldest' })).toEqual({ name: 'news', overflow: 'drop-oldest' })
  })

  test('has a name of some length', () => {
    expect(channel('n'.repeat(256)).name).toHaveLength(256)
    for (const name of ['', 'n'.repeat(257), undefined as unknown as string])
      expect(thrown(UsageError, () => channel(name)).message).toMatch(/a text of 1 to 256 characters/)
  })

  test.each<[what: string, options: unknown, message: string]>([
    ['misspelt', { over: 1 }, 'Unknown option `over` of channel news. Known is `overflow`'],
    ['no object', null, 'Expected the options of channel news to be an object, got null'],
    ['of another world', { overflow: 'block' }, 'one of drop-newest, drop-oldest, disconnect, got "block"'],
  ])('takes no options that are %s', (_, options, message) => {
    const error = thrown(UsageError, () => channel('news', undefined, options as ChannelOptions))
    expect(error.message).toContain(message)
  })
})

describe('method', () => {
  test('gives back a function that does the same, with the same this and arguments', () => {
    const add = method({ idempotent: true }, function (this: { base: number }, a: number, b: number) {
      return this.base + a + b
    })
    expect(add.call({ base: 1 }, 2, 3)).toBe(6)
  })

  test('keeps the name', () => {
    expect(method({}, function charge() {}).name).toBe('charge')
  })

  test('carries its options where every copy of the library finds them, and nobody lists them', () => {
    const options = { timeout: 5, concurrency: 2 }
    const run = method(options, () => {})
    expect(METHOD_OPTIONS).toBe(Symbol.for('troupe.method'))
    expect((run as unknown as { [METHOD_OPTIONS]: unknown })[METHOD_OPTIONS]).toBe(options)
    expect(Object.keys(run)).toEqual([])
  })

  test('leaves the given function as it was', () => {
    const run = (): void => {}
    method({ timeout: 5 }, run)
    expect(Object.getOwnPropertySymbols(run)).toEqual([])
  })

  test('does not wait for a promise or an iterator by itself', async () => {
    expect(await method({}, async () => 1)()).toBe(1)
    expect([
      ...method({}, function* () {
        yield 1
      })(),
    ]).toEqual([1])
  })
})

describe('a schema', () => {
  test('gives its output, which replaces the value, at once or after a while', async () => {
    expect(validateNow(numberSchema, '5', 'a value')).toBe(5)
    expect(await validate(numberSchema, '5', 'a value')).toBe(5)
    expect(await validate(slowSchema, '5', 'a value')).toBe(5)
  })

  test('says no with the subject, the issues and their paths as texts', async () => {
    const error = thrown(ValidationError, () => validateNow(numberSchema, 'x', 'a value for channel n'))
    expect(error.message).toBe('The schema refused a value for channel n: rows.0.Symbol(size): is no number')
    expect(error.issues).toEqual([{ message: 'is no number', path: ['rows', '0', 'Symbol(size)'] }])
    expect(await rejection(ValidationError, validate(slowSchema, 'x', 'it'))).toMatchObject({ issues: error.issues })
  })

  test('that is asynchronous is refused where waiting would break the order', () => {
    const error = thrown(ValidationError, () => validateNow(slowSchema, '5', 'a value for channel n'))
    expect(error.message).toContain('the schema is asynchronous; a channel needs one that answers at once')
  })

  test('that finds fault with everything is told of in part', () => {
    const issue = { message: 'm'.repeat(2_000), path: Array.from({ length: 99 }, () => 'p'.repeat(500)) }
    const issues = Array.from({ length: 200_000 }, () => issue)
    const picky: StandardSchema<number> = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ issues }) },
    }
    const error = thrown(ValidationError, () => validateNow(picky, 1, 'it'))
    expect(error.message).toMatch(/; and 199968 more$/)
    expect(JSON.stringify(toRecord(error)).length).toBeLessThan(200_000)
  })

  test('that answers by a promise of another make is asynchronous, too', () => {
    // biome-ignore lint/suspicious/noThenProperty: that is what is tried.
    const validate = () => ({ then: () => {} }) as unknown as Promise<{ value: number }>
    const foreign: StandardSchema<number> = { '~standard': { version: 1, vendor: 'test', validate } }
    expect(thrown(ValidationError, () => validateNow(foreign, 1, 'it')).message).toContain('asynchronous')
  })

  test('that is asynchronous and then rejects leaves no unhandled rejection behind', async () => {
    const failing: StandardSchema<number> = {
      '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('late')) },
    }
    thrown(ValidationError, () => validateNow(failing, 1, 'it'))
    await new Promise((resolve) => setImmediate(resolve))
  })

  test('that throws instead of answering is not taken for a no', () => {
    const failing: StandardSchema<number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate() {
          throw new TypeError('bug')
        },
      },
    }
    expect(() => validateNow(failing, 1, 'it')).toThrow(TypeError)
  })
})
