import { method } from '../../src/protocol/contract.js'
import { currentCall } from '../../src/runtime/messaging/call-context.js'
import type { Ask, ReadAsk } from './asks.js'
import type { Execution, Ledger } from './ledger.js'
import type { Place } from './places.js'

/** What a method is asked to do, besides running for a while. */
export interface Task {
  readonly tag: number
  readonly ms: number
  readonly key?: string | undefined
  /** Another call, or stream, which it makes and waits for. */
  readonly nested?: Ask | ReadAsk | undefined
  /** Of a stream. */
  readonly items?: number
  readonly fails?: boolean
  /** Something that cannot be written: brought along, or to be given back. */
  readonly load?: string | undefined
  readonly givesLoad?: boolean
}

/** A value that may be sent, and that no message of a run can hold. */
export const LOAD: string = 'x'.repeat(10_000)

/** What a process runs for others: each writes down that it ran, and for whom. */
export class Methods {
  readonly #place: Place
  readonly #ledger: Ledger
  readonly #ask: (ask: Ask | ReadAsk) => Promise<unknown>

  constructor(place: Place, ledger: Ledger, ask: (ask: Ask | ReadAsk) => Promise<unknown>) {
    this.#place = place
    this.#ledger = ledger
    this.#ask = ask
  }

  get table(): object {
    const run = (task: Task): Promise<unknown> => this.#run(task)
    const count = (task: Task): AsyncGenerator<unknown> => this.#count(task)
    return {
      quick: run,
      work: run,
      nested: run,
      once: run,
      serial: method({ concurrency: 1 }, run),
      charge: method({ idempotent: true }, run),
      fail: async (task: Task) => {
        await this.#run(task)
        throw failure(`method ${task.tag} failed`, task)
      },
      hang: (task: Task) => {
        const execution = this.#begin(task)
        return new Promise((_, reject) => {
          const { signal } = currentCall()
          signal.addEventListener('abort', () => {
            this.#ledger.end(execution, this.#place.now())
            reject(signal.reason as Error)
          })
        })
      },
      leave: async (task: Task) => {
        this.#begin(task)
        await this.#place.sleep(task.ms)
        this.#place.exit(3)
        await new Promise(() => {})
      },
      async *count(task: Task) {
        return yield* count(task)
      },
      busy: async (task: Task) => {
        this.#place.block(task.ms)
        return await this.#run({ ...task, ms: 0 })
      },
    }
  }

  #begin({ tag, key }: Task): Execution {
    const { caller, method: name = '' } = currentCall()
    const { id, incarnation } = this.#place
    return this.#ledger.begin({
      tag,
      by: { id, incarnation },
      caller,
      method: name,
      key,
      startedAt: this.#place.now(),
    })
  }

  async #run(task: Task): Promise<unknown> {
    const execution = this.#begin(task)
    try {
      if (task.ms > 0) await this.#place.sleep(task.ms)
      if (task.nested) await this.#ask(task.nested).catch(() => {})
      const value = { tag: task.tag, incarnation: this.#place.incarnation }
      return task.givesLoad ? { ...value, load: LOAD } : value
    } finally {
      this.#ledger.end(execution, this.#place.now())
    }
  }

  /** Its last item is the load, if it is to give one. What it returns is how many items there were. */
  async *#count(task: Task): AsyncGenerator<unknown, number> {
    const { items = 0, ms, fails, givesLoad } = task
    const execution = this.#begin(task)
    try {
      for (let n = 0; n < items; n++) {
        if (n % 4 === 3) await this.#place.sleep(ms)
        yield givesLoad && n === items - 1 ? LOAD : n
      }
      if (fails) throw failure(`stream ${task.tag} failed`, task)
      return items
    } finally {
      this.#ledger.end(execution, this.#place.now())
    }
  }
}

function failure(message: string, { givesLoad }: Task): Error {
  return Object.assign(new Error(message), givesLoad && { load: LOAD })
}
