import {
  type Channel,
  channel,
  createCluster,
  currentCall,
  joinCluster,
  method,
  type PublishReceipt,
  type RemoteError,
  type StandardSchema,
  type Stream,
  type WorkerInfo,
} from 'troupe'
import { type Equal, expectType } from './equal.js'

// What a program may write on either side, and what must not compile.

declare function readAll(name: string): AsyncGenerator<Uint8Array>

const methods = {
  size: (name: string, exact?: boolean): number | undefined => (exact ? name.length : undefined),
  load: async (id: number): Promise<{ id: number; tags: Set<string> }> => ({ id, tags: new Set() }),
  nothing: (): void => {},
  forever: (): Promise<never> => new Promise(() => {}),
  charge: method({ timeout: 2_000, idempotent: true, concurrency: 4 }, async (order: { cents: number }) => order.cents),
  async *tail(lines: number) {
    for (let line = 0; line < lines; line++) yield `line ${line}`
  },
  /** However its type is written. */
  async *pages(): AsyncIterable<{ page: number }> {
    yield { page: 1 }
  },
  file: method({ stream: true }, (name: string): AsyncGenerator<Uint8Array> => readAll(name)),
}

interface Contract {
  worker: typeof methods
  primary: { next(): number }
}

export async function calls() {
  const cluster = await createCluster<Contract>()
  expectType<
    Equal<Awaited<ReturnType<typeof cluster.callAll<'size'>>>, Map<number, PromiseSettledResult<number | undefined>>>
  >()

  const loaded = await cluster.any({ timeout: 100 }).load(1)
  expectType<Equal<typeof loaded, { id: number; tags: Set<string> }>>()
  const cents = await cluster.worker(2).charge({ cents: 5 })
  expectType<Equal<typeof cents, number>>()
  const nothing = await cluster.call(1, 'nothing', [])
  expectType<Equal<typeof nothing, void>>()
  expectType<Equal<Awaited<ReturnType<ReturnType<typeof cluster.worker>['forever']>>, never>>()
  await cluster.call('any', 'size', ['a'])
  await cluster.call('any', 'size', ['a', true])
  const next = await cluster.primary().next()
  expectType<Equal<typeof next, number>>()

  // @ts-expect-error a stream is not a call
  await cluster.call(1, 'tail', [3])
  // @ts-expect-error nor a cast
  await cluster.cast(1, 'tail', [3])
  // @ts-expect-error nor asked of all
  await cluster.callAll('tail', [3])
  // @ts-expect-error no such target
  await cluster.call('all', 'size', ['a'])
  // @ts-expect-error too many arguments
  await cluster.call(1, 'size', ['a', true, 1])
  // @ts-expect-error wrong member of the argument
  await cluster.worker(1).charge({ euros: 5 })
  // @ts-expect-error a worker's method, not the primary's
  await cluster.primary().size('a')
  // @ts-expect-error a cast is checked like a call
  await cluster.cast(1, 'size', [5])
  // @ts-expect-error misspelt option
  await cluster.call(1, 'size', ['a'], { timout: 5 })
  // @ts-expect-error proxies are not thenable
  cluster.worker(1).then(() => {})
}

export async function streams() {
  const cluster = await createCluster<Contract>()
  const lines = cluster.stream('any', 'tail', [3], { timeout: 100, idle: 1_000, total: 5_000, window: 1 })
  expectType<Equal<typeof lines, Stream<string>>>()
  for await (const line of lines) expectType<Equal<typeof line, string>>()
  await using pages = cluster.worker(1).pages()
  for await (const page of pages) expectType<Equal<typeof page, { page: number }>>()
  const iterator: AsyncIterableIterator<Uint8Array> = cluster.any().file('a')
  await iterator.next()

  // @ts-expect-error a plain method is not a stream
  cluster.stream(1, 'size', ['a'])
  // @ts-expect-error nor one that never returns
  cluster.stream(1, 'forever', [])
  // @ts-expect-error an argument is missing
  cluster.stream(1, 'tail', [])
  // @ts-expect-error the primary has no such stream
  cluster.stream('primary', 'tail', [3])
  // @ts-expect-error misspelt option
  cluster.stream(1, 'tail', [3], { windows: 3 })
  const proxied = cluster.worker(1).tail(3)
  // @ts-expect-error a proxied stream is no promise
  proxied.then(() => {})

  const untyped = await createCluster()
  for await (const item of untyped.stream(1, 'anything', ['at', 'all'])) item.without.a.contract

  // The output schema is that of an item.
  method({ output: {} as StandardSchema<string> }, async function* () {
    yield 'a'
  })
  // @ts-expect-error not what it yields
  method({ output: {} as StandardSchema<number> }, async function* () {
    yield 'a'
  })
}

export async function methodsOfTheContract() {
  await createCluster<Contract>({ methods: { next: () => 1 } })
  // @ts-expect-error a method of the contract is missing
  await createCluster<Contract>({ methods: {} })
  // @ts-expect-error it returns something else
  await createCluster<Contract>({ methods: { next: () => 'one' } })
  // @ts-expect-error a worker without the methods that its contract names
  await joinCluster<Contract>({ size: () => 1 })
}

export async function channels() {
  const cluster = await joinCluster<Contract>(methods)
  const moved = channel<{ x: number; y: number }>('moved')
  expectType<Equal<typeof moved, Channel<{ x: number; y: number }>>>()
  const receipt = await cluster.publish(moved, { x: 1, y: 2 }, { ack: true })
  expectType<Equal<typeof receipt, PublishReceipt>>()
  cluster.subscribe(moved, (position) => expectType<Equal<typeof position, { x: number; y: number }>>())
  // @ts-expect-error a member is missing
  await cluster.publish(moved, { x: 1 })
  // @ts-expect-error the handler takes something else
  cluster.subscribe(moved, (_text: string) => {})

  const schema = {} as StandardSchema<string>
  const checked = channel('checked', schema)
  expectType<Equal<typeof checked, Channel<string>>>()
  // @ts-expect-error the schema's type
  await cluster.publish(checked, 5)
}

export async function surroundings() {
  const cluster = await createCluster({ workers: 1 })
  const untyped = await cluster.call(1, 'anything', ['at', 'all'])
  untyped.without.a.contract
  expectType<Equal<typeof cluster.workers, ReadonlyMap<number, WorkerInfo>>>()
  // @ts-expect-error read-only
  cluster.workers.delete(1)
  cluster.on('exit', ({ id, code, signal, intended, output }) => {
    expectType<
      Equal<
        [typeof id, typeof code, typeof signal, typeof intended, typeof output],
        [number, number | null, string | null, boolean, string]
      >
    >()
  })
  // @ts-expect-error no such event
  cluster.on('exits', () => {})
  // @ts-expect-error no such option
  await createCluster({ worker: 2 })

  const { signal, deadline, caller } = currentCall()
  expectType<Equal<typeof signal, AbortSignal>>()
  expectType<Equal<typeof deadline, number>>()
  expectType<Equal<typeof caller, { readonly id: number; readonly incarnation: number } | undefined>>()

  // A method with options is still the plain function.
  expectType<Equal<typeof methods.charge, (order: { cents: number }) => Promise<number>>>()
  // @ts-expect-error a schema for another type
  method({ input: {} as StandardSchema<number> }, (text: string) => text)

  const remote = {} as RemoteError
  expectType<Equal<typeof remote.remote.name, string>>()
}
