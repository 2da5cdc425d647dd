import fc from 'fast-check'
import { assert, describe, expect, test } from 'vitest'
import type { Candidate, Client, Draw, Pick } from '../../src/runtime/placement/policies.js'

const someCandidates: fc.Arbitrary<Candidate[]> = fc.uniqueArray(
  fc.record({ id: fc.integer({ min: 1, max: 100 }), connections: fc.nat({ max: 4 }) }),
  { selector: ({ id }) => id, minLength: 1, maxLength: 12 },
)

const someClient: fc.Arbitrary<Client> = fc.record(
  {
    remoteAddress: fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()),
    remotePort: fc.nat({ max: 65_535 }),
    localAddress: fc.ipV4(),
    localPort: fc.nat({ max: 65_535 }),
    key: fc.string(),
  },
  { requiredKeys: [] },
)

const someDraw: fc.Arbitrary<Draw> = fc.record({
  client: someClient,
  last: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
})

/** Holds a policy to what `Pick` promises, whatever it goes by. */
export function policyContract(name: string, pick: Pick): void {
  describe(name, () => {
    test('picks nobody when there is nobody', () => {
      fc.assert(fc.property(someDraw, (draw) => assert.isUndefined(pick([], draw))))
    })

    test('picks the only one there is', () => {
      fc.assert(fc.property(someCandidates, someDraw, ([only], draw) => assert.equal(pick([only!], draw), only!.id)))
    })

    test('picks one of the candidates', () => {
      fc.assert(
        fc.property(someCandidates, someDraw, (candidates, draw) => {
          expect(candidates.map(({ id }) => id)).toContain(pick(candidates, draw))
        }),
      )
    })

    test('picks the same one again for the same inputs, and leaves them as they were', () => {
      fc.assert(
        fc.property(someCandidates, someDraw, (candidates, draw) => {
          const before = structuredClone({ candidates, draw })
          const picked = pick(candidates, draw)
          assert.equal(pick(candidates, draw), picked)
          assert.deepEqual({ candidates, draw }, before)
        }),
      )
    })

    test('does not mind the order of the candidates', () => {
      const withShuffle = someCandidates.chain((candidates) =>
        fc.tuple(
          fc.constant(candidates),
          fc.shuffledSubarray(candidates, { minLength: candidates.length, maxLength: candidates.length }),
        ),
      )
      fc.assert(
        fc.property(withShuffle, someDraw, ([candidates, shuffled], draw) => {
          assert.equal(pick(shuffled, draw), pick(candidates, draw))
        }),
      )
    })
  })
}
