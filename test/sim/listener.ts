import { type Channel, channel, type UntypedContract } from '../../src/protocol/contract.js'
import type { Messenger } from '../../src/runtime/messaging/messenger.js'
import type { Subscription } from '../../src/runtime/messaging/subscriptions.js'
import type { Ledger, Session } from './ledger.js'
import type { Place } from './places.js'

export interface News {
  readonly tag: number
  readonly ms: number
  readonly fail: boolean
}

/** One channel for each way to treat a process that does not keep up. */
export const CHANNELS: readonly Channel<News>[] = [
  channel<News>('news'),
  channel<News>('latest', undefined, { overflow: 'drop-oldest' }),
  channel<News>('whole', undefined, { overflow: 'disconnect' }),
]

/** A process that has missed messages of a channel subscribes to it again so much later, ms. */
const AGAIN = 15

/** What a process hears: it subscribes to every channel, and writes down what comes. */
export class Listener {
  readonly #place: Place
  readonly #ledger: Ledger
  readonly #messenger: Messenger<UntypedContract>
  readonly #open = new Map<Channel<News>, { readonly subscription: Subscription; readonly session: Session }>()

  constructor(place: Place, ledger: Ledger, messenger: Messenger<UntypedContract>) {
    this.#place = place
    this.#ledger = ledger
    this.#messenger = messenger
    for (const each of CHANNELS) this.#subscribe(each)
  }

  /** Stops to hear, or begins again. */
  toggle(which: Channel<News>): void {
    const open = this.#open.get(which)
    if (!open) return this.#subscribe(which)
    this.#open.delete(which)
    open.subscription.unsubscribe()
    open.session.endedAt = this.#place.now()
  }

  #subscribe(which: Channel<News>): void {
    const { id, incarnation } = this.#place
    const session: Session = {
      who: incarnation,
      channel: which.name,
      activeAt: Number.POSITIVE_INFINITY,
      endedAt: Number.POSITIVE_INFINITY,
      heard: [],
    }
    this.#ledger.sessions.push(session)
    const subscription = this.#messenger.subscribe(which, async ({ tag, ms, fail }) => {
      const hearing = {
        tag,
        by: { id, incarnation },
        channel: which.name,
        at: this.#place.now(),
        settledAt: undefined as number | undefined,
        threw: fail,
      }
      this.#ledger.hearings.push(hearing)
      session.heard.push(hearing)
      if (ms > 0) await this.#place.sleep(ms)
      hearing.settledAt = this.#place.now()
      if (fail) throw new Error(`a handler of ${tag} failed`)
    })
    this.#open.set(which, { subscription, session })
    subscription.active.then(
      () => {
        session.activeAt = this.#place.now()
      },
      () => {},
    )
    void subscription.ended.then((end) => {
      if (end !== 'overflow') return
      session.endedAt = this.#place.now()
      this.#open.delete(which)
      this.#place.after(AGAIN, () => {
        if (!this.#open.has(which)) this.#subscribe(which)
      })
    })
  }
}
