import fc from 'fast-check'
import { assert, expect, test } from 'vitest'
import { blockOf, blockOfRoute, isDirect, routeIn } from '../../src/protocol/routes.js'

test('the numbers of a block are its own, below zero, and go up', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 30), fc.boolean(), fc.nat(2 ** 20 - 2), (meeting, dialled, n) => {
      const block = blockOf(meeting, dialled)
      const route = routeIn(block, n)
      assert.isTrue(isDirect(route) && Number.isSafeInteger(route))
      assert.equal(blockOfRoute(route), block)
      assert.equal(routeIn(block, n + 1), route + 1)
    }),
  )
})

test('those of the router are not direct', () => {
  expect([1, 2 ** 31, Number.MAX_SAFE_INTEGER].some(isDirect)).toBe(false)
})

test('numbers come again when a block has been gone through', () => {
  expect(routeIn(7, 2 ** 20 + 3)).toBe(routeIn(7, 3))
})
