import { describe, expect, test } from 'vitest'
import {
  type Candidate,
  type Client,
  type Draw,
  ipHash,
  leastConnections,
  type Pick,
  random,
  roundRobin,
  sticky,
} from '../../../src/runtime/placement/policies.js'
import { policyContract } from '../../contracts/policy.contract.js'

const policies: Record<string, Pick> = { roundRobin, random, leastConnections, ipHash, sticky }

for (const [name, pick] of Object.entries(policies)) policyContract(name, pick)

/** `{ 1: 5, 3: 0 }`: worker 1 has five connections, worker 3 none. */
const workers = (connections: Record<number, number>): Candidate[] =>
  Object.entries(connections).map(([id, count]) => ({ id: Number(id), connections: count }))

const draw = (some: Partial<Draw> = {}): Draw => ({ client: {}, last: undefined, random: 0, ...some })

/** Who is picked, one after the other, each knowing the one before. */
function turns(pick: Pick, candidates: Candidate[], count: number): (number | undefined)[] {
  let last: number | undefined
  return Array.from({ length: count }, () => {
    last = pick(candidates, draw({ last }))
    return last
  })
}

describe('round robin', () => {
  test.each<[string, Record<number, number>, number | undefined, number]>([
    ['begins with the lowest', { 3: 0, 1: 0, 2: 0 }, undefined, 1],
    ['goes on with the next', { 1: 0, 2: 0, 3: 0 }, 1, 2],
    ['returns to the lowest after the highest', { 1: 0, 2: 0, 3: 0 }, 3, 1],
    ['goes on behind one that is gone', { 1: 0, 3: 0, 4: 0 }, 2, 3],
    ['returns to the lowest when the highest is gone', { 2: 0, 3: 0 }, 9, 2],
    ['does not look at the connections', { 1: 0, 2: 99, 3: 0 }, 1, 2],
  ])('%s', (_, connections, last, picked) => {
    expect(roundRobin(workers(connections), draw({ last }))).toBe(picked)
  })

  test('gives each a turn', () => {
    expect(turns(roundRobin, workers({ 1: 0, 2: 0, 5: 0 }), 7)).toEqual([1, 2, 5, 1, 2, 5, 1])
  })
})

describe('random', () => {
  test.each([
    [0, 1],
    [0.24, 1],
    [0.25, 2],
    [0.5, 3],
    [0.999_999, 7],
  ])('%d picks worker %d', (number, picked) => {
    expect(random(workers({ 1: 0, 2: 0, 3: 0, 7: 0 }), draw({ random: number }))).toBe(picked)
  })
})

describe('least connections', () => {
  test.each<[string, Record<number, number>, number | undefined, number]>([
    ['picks who has the fewest', { 1: 3, 2: 1, 3: 2 }, undefined, 2],
    ['picks who has the fewest, though it was the last', { 1: 3, 2: 1, 3: 2 }, 2, 2],
    ['begins with the lowest of equals', { 1: 3, 2: 1, 3: 1 }, undefined, 2],
    ['goes on with the next of equals', { 1: 3, 2: 1, 3: 1 }, 2, 3],
    ['returns to the lowest of equals', { 1: 3, 2: 1, 3: 1 }, 3, 2],
  ])('%s', (_, connections, last, picked) => {
    expect(leastConnections(workers(connections), draw({ last }))).toBe(picked)
  })

  test('gives each of the idle ones a turn', () => {
    expect(turns(leastConnections, workers({ 1: 1, 2: 0, 3: 0, 4: 0 }), 5)).toEqual([2, 3, 4, 2, 3])
  })
})

/** What the two policies that hash have in common. */
function sticksBy(pick: Pick, clientOf: (n: number) => Client): void {
  const eight = workers({ 1: 9, 2: 0, 3: 3, 4: 0, 5: 7, 6: 1, 7: 0, 8: 2 })
  const clients = Array.from({ length: 200 }, (_, n) => clientOf(n))
  const picked = (candidates: Candidate[], some: Partial<Draw> = {}) =>
    clients.map((client) => pick(candidates, draw({ ...some, client })))

  test('leads a client to its worker again, whatever happened in between', () => {
    const busier = eight.map(({ id, connections }) => ({ id, connections: 9 - connections }))
    expect(picked(busier, { last: 4, random: 0.7 })).toEqual(picked(eight))
  })

  test('uses all workers', () => {
    expect(new Set(picked(eight)).size).toBe(8)
  })

  test('moves only the clients of a worker that is gone', () => {
    const before = picked(eight)
    const after = picked(eight.filter(({ id }) => id !== 3))
    for (const [n, id] of before.entries()) {
      if (id !== 3) expect(after[n]).toBe(id)
    }
  })

  test('picks by least connections for a client without it', () => {
    const clientless = draw({ client: { remotePort: 1 }, last: 2 })
    expect(pick(eight, clientless)).toBe(leastConnections(eight, clientless))
  })
}

describe('ip hash', () => {
  sticksBy(ipHash, (n) => ({ remoteAddress: `192.0.2.${n}` }))

  test('does not look at the port', () => {
    const from = (remotePort: number) => draw({ client: { remoteAddress: '192.0.2.1', remotePort } })
    const eight = workers({ 1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0, 7: 0, 8: 0 })
    expect(new Set(Array.from({ length: 100 }, (_, port) => ipHash(eight, from(port)))).size).toBe(1)
  })

  test('knows a client by either form of its address', () => {
    const candidates = workers(Object.fromEntries(Array.from({ length: 32 }, (_, index) => [index + 1, 0])))
    const pick = (remoteAddress: string) => ipHash(candidates, draw({ client: { remoteAddress } }))
    for (let n = 0; n < 50; n++) {
      expect(pick(`::ffff:192.0.2.${n}`)).toBe(pick(`192.0.2.${n}`))
      expect(pick(`2001:DB8:0:0::${n}`)).toBe(pick(`2001:db8::${n}`))
    }
  })
})

describe('sticky', () => {
  sticksBy(sticky, (n) => ({ key: `s:${n}` }))
})
