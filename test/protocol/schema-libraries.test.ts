import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { channel, method } from '../../src/protocol/contract.js'
import { ValidationError } from '../../src/protocol/errors.js'
import { type StandardSchema, validate, validateNow } from '../../src/protocol/schema.js'
import { rejection, thrown } from '../support/outcome.js'

/** What a Standard Schema of each library does here: the same order, its quantity made a number of. */
interface Order {
  readonly sku: string
  readonly lines: readonly { readonly quantity: number }[]
}

const SCHEMAS: readonly (readonly [library: string, schema: StandardSchema<Order>])[] = [
  ['zod', z.object({ sku: z.string(), lines: z.array(z.object({ quantity: z.coerce.number() })) })],
  [
    'valibot',
    v.object({
      sku: v.string(),
      lines: v.array(v.object({ quantity: v.pipe(v.unknown(), v.transform(Number), v.number()) })),
    }),
  ],
  ['arktype', type({ sku: 'string', lines: type({ quantity: 'string.numeric.parse | number' }).array() })],
]

describe.each(SCHEMAS)('a schema of %s', (_, schema) => {
  const right = { sku: 'tea', lines: [{ quantity: '2' }] }

  test('gives its output', async () => {
    expect(await validate(schema, right, 'the order')).toEqual({ sku: 'tea', lines: [{ quantity: 2 }] })
    expect(validateNow(schema, right, 'the order')).toEqual({ sku: 'tea', lines: [{ quantity: 2 }] })
  })

  test('says where it refuses a value', async () => {
    const wrong = { sku: 7, lines: [{ quantity: 1 }, { quantity: 'many' }] }
    const error = await rejection(ValidationError, validate(schema, wrong, 'the order'))
    expect(error.issues.map(({ path }) => path.join('.')).sort()).toEqual(['lines.1.quantity', 'sku'])
    expect(error.message).toMatch(/^The schema refused the order: /)
    expect(thrown(ValidationError, () => validateNow(schema, wrong, 'the order')).issues).toHaveLength(2)
  })

  test('fits a channel and a method, whose types it gives', () => {
    const orders = channel('orders', schema)
    const total = method({ input: schema }, (order: Order) => order.lines.length)
    expect(orders.schema).toBe(schema)
    expect(total(right as never)).toBe(1)
  })
})
