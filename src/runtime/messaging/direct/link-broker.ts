import type { BrokeredFrame, FrameRecord, Meeting, UnlinkedFrame } from '../../../protocol/frames.js'
import type { Incarnation, ProcessRef } from '../../../protocol/ids.js'
import type { Clock } from '../../clock.js'
import { type Deferred, deferred } from '../../deferred.js'
import type { RecordedLink } from '../../evidence/recorded-link.js'
import { withinReading } from '../../within.js'

/** Where two processes may meet: a path that is nobody else's, and a secret. */
export interface MeetingPlace {
  /** Undefined: there can be none here. */
  next(meeting: number): { readonly path: string; readonly secret: string } | undefined
}

export interface LinkBrokerOptions {
  /** Absent: no links. */
  readonly place: MeetingPlace | undefined
  readonly clock: Clock
  /** Ends a process that has written what none of ours writes. */
  readonly fence: (ref: ProcessRef, verdict: string) => void
}

/**
 * How long a death may wait for what others have to tell of it, ms. Their end of the link tells them at once; where it does not,
 * `LAST_WORDS` in `direct-switch.ts`, which is less, makes them close it.
 */
const LAST_SEEN = 50

/** A process that has joined. */
interface Party {
  readonly ref: ProcessRef
  readonly link: Pick<RecordedLink, 'send' | 'linkEnded'>
  /** It is about to be removed, and has no new links. */
  leaving: boolean
  /** It has said that nothing comes to it by links any more. */
  parted: boolean
  readonly onParted: (() => void)[]
}

interface Pair {
  readonly meeting: Meeting
  readonly caller: Party
  readonly target: Party
  readonly key: string
  /** There may be a link. */
  met: boolean
  /** Set while a death waits for word of it: one of the two has said that there is none any more, or both are gone. */
  over: Deferred | undefined
}

/**
 * The primary's part in direct links: brings two workers together that ask for it, once however many ask, and has them part
 * before one of them is removed. What they say to each other it never sees; when a link has ended it is told what had passed there
 * last, and keeps that for the evidence of both.
 */
export class LinkBroker {
  readonly #options: LinkBrokerOptions
  readonly #parties = new Map<Incarnation, Party>()
  /** Links that are being made or exist, by their meeting and by who has them. */
  readonly #pairs = new Map<number, Pair>()
  readonly #byKey = new Map<string, Pair>()
  #lastMeeting = 0
  #closing = false

  constructor(options: LinkBrokerOptions) {
    this.#options = options
  }

  joined(ref: ProcessRef, link: Party['link']): void {
    this.#parties.set(ref.incarnation, { ref, link, leaving: this.#closing, parted: false, onParted: [] })
  }

  /** Resolves when those who had links with that process have told what has passed there, or have been waited for long enough. */
  async gone(incarnation: Incarnation): Promise<void> {
    const party = this.#parties.get(incarnation)
    if (!party) return
    this.#parties.delete(incarnation)
    const told: Promise<void>[] = []
    for (const pair of [...this.#pairs.values()]) {
      if (pair.caller !== party && pair.target !== party) continue
      const lives = this.#parties.has(otherOf(pair, party).ref.incarnation)
      if (lives && pair.target === party) this.#refuse(pair.caller, incarnation)
      if (lives && pair.met) told.push(this.#isOver(pair))
      else this.#forget(pair)
    }
    this.#hasParted(party)
    await Promise.all(told)
  }

  receive(incarnation: Incarnation, frame: BrokeredFrame): void {
    const party = this.#parties.get(incarnation)
    if (!party) return
    switch (frame.kind) {
      case 'link':
        return this.#introduce(party, frame.incarnation)
      case 'met':
        return this.#met(party, frame.meeting, frame.listens)
      case 'unlinked':
        return this.#unlinked(party, frame)
      case 'parted':
        return this.#hasParted(party)
    }
  }

  /** That process, or all, get no more calls by links. */
  close(incarnation?: Incarnation): void {
    if (incarnation === undefined) this.#closing = true
    for (const party of this.#parties.values()) {
      if (party.leaving || (incarnation !== undefined && party.ref.incarnation !== incarnation)) continue
      party.leaving = true
      if (this.#options.place) party.link.send({ kind: 'part' })
    }
  }

  /** Resolves when no more calls can come by links to that process, or to any, and none is left that had. */
  async parted(incarnation?: Incarnation): Promise<void> {
    if (!this.#options.place) return
    const parties = [...this.#parties.values()].filter(
      ({ ref, leaving }) => leaving && (incarnation === undefined || ref.incarnation === incarnation),
    )
    await Promise.all(
      parties.map((party) => !party.parted && new Promise<void>((resolve) => party.onParted.push(resolve))),
    )
  }

  #introduce(caller: Party, incarnation: Incarnation): void {
    const target = this.#parties.get(incarnation)
    if (!target || target === caller || target.leaving || caller.leaving) return this.#refuse(caller, incarnation)
    const key = [caller, target]
      .map(({ ref }) => ref.incarnation)
      .sort((a, b) => a - b)
      .join(' ')
    // They are being brought together already: the other one has asked.
    if (this.#byKey.has(key)) return
    const meeting = ++this.#lastMeeting
    const place = this.#options.place?.next(meeting)
    if (!place) return this.#refuse(caller, incarnation)
    const where = { meeting, with: target.ref, ...place }
    const pair: Pair = { caller, target, key, meeting: where, met: false, over: undefined }
    this.#pairs.set(meeting, pair)
    this.#byKey.set(key, pair)
    target.link.send({ kind: 'meet', ...pair.meeting, with: caller.ref })
  }

  #met(party: Party, meeting: number, listens: boolean): void {
    const pair = this.#pairs.get(meeting)
    if (pair?.target !== party) return
    pair.met = listens
    if (listens) return pair.caller.link.send({ kind: 'dial', ...pair.meeting })
    this.#forget(pair)
    this.#refuse(pair.caller, party.ref.incarnation)
  }

  #unlinked(party: Party, { meeting, corrupt, recent }: UnlinkedFrame): void {
    const pair = this.#pairs.get(meeting)
    if (!pair || (pair.caller !== party && pair.target !== party)) return
    const other = otherOf(pair, party)
    // That it has ended, with what has passed there, is yet to come.
    if (corrupt !== undefined) return this.#options.fence(other.ref, `${corrupt} with worker ${party.ref.id}`)
    if (recent) {
      party.link.linkEnded(other.ref.id, recent)
      other.link.linkEnded(party.ref.id, recent.map(fromOtherEnd))
    }
    this.#forget(pair)
  }

  async #isOver(pair: Pair): Promise<void> {
    pair.over = deferred()
    await withinReading(this.#options.clock, LAST_SEEN, pair.over.promise)
    this.#forget(pair)
  }

  #refuse(caller: Party, incarnation: Incarnation): void {
    caller.link.send({ kind: 'undialled', incarnation })
  }

  #forget({ meeting, key, over }: Pair): void {
    this.#pairs.delete(meeting.meeting)
    this.#byKey.delete(key)
    over?.resolve()
  }

  #hasParted(party: Party): void {
    party.parted = true
    for (const resolve of party.onParted.splice(0)) resolve()
  }
}

function otherOf({ caller, target }: Pair, party: Party): Party {
  return caller === party ? target : caller
}

function fromOtherEnd([at, sent, ...rest]: FrameRecord): FrameRecord {
  return [at, !sent, ...rest]
}
