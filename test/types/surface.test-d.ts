import { channel, createCluster, type isPrimary, joinCluster } from 'troupe'
import { type Equal, expectType } from './equal.js'

// The first sentences a user writes. Only compiled, never run.

const methods = {
  add: (a: number, b: number) => a + b,
  async greet(name: string) {
    return `hello ${name}`
  },
}

interface Contract {
  worker: typeof methods
  primary: { total(): number }
}

expectType<Equal<typeof isPrimary, boolean>>()

export async function inPrimary() {
  const cluster = await createCluster<Contract>({ workers: 2, methods: { total: () => 0 } })

  const sum = cluster.call(1, 'add', [1, 2])
  expectType<Equal<typeof sum, Promise<number>>>()
  const greeting = await cluster.call('any', 'greet', ['you'], { timeout: 500 })
  expectType<Equal<typeof greeting, string>>()

  // @ts-expect-error no such method
  await cluster.call(1, 'subtract', [1, 2])
  // @ts-expect-error an argument is missing
  await cluster.call(1, 'add', [1])
  // @ts-expect-error an argument has the wrong type
  await cluster.call(1, 'add', [1, '2'])
  // @ts-expect-error a method of the primary, not of a worker
  await cluster.call(1, 'total', [])
}

export async function inWorker() {
  const cluster = await joinCluster<Contract>(methods)
  const total = await cluster.call('primary', 'total', [])
  expectType<Equal<typeof total, number>>()

  const invalidated = channel<{ key: string }>('cache.invalidated')
  await cluster.publish(invalidated, { key: 'a' })
  // @ts-expect-error not what the channel carries
  await cluster.publish(invalidated, { kye: 'a' })
}
