import type { LinkEnds, Passing } from '../../src/testing/hooks.js'
import type { SimulatedWorker } from '../../src/testing/simulated-worker.js'
import type { Violation } from './violation.js'

/** Frames that are refused when a link is full. All others are answers and control, which have to pass. */
const DATA = { up: ['call', 'publish'], down: ['invoke', 'message'] } as const

interface Limits {
  readonly mailbox: number
  readonly link: number
}

/** What is known of one process's messages. */
interface Known {
  /** Calls that it has made, by its number: asked, answered, or given up. */
  readonly calls: Map<number, 'asked' | 'answered' | 'cancelled'>
  /** Calls that it was sent and that are neither answered nor taken back, by route. */
  readonly serving: Set<number>
  readonly answered: Set<number>
  /** Streams of its own whose items could not be written. */
  readonly broken: Set<number>
  /** Data given to its link, either way, that has not gone into the channel. */
  readonly queued: { up: number; down: number }
}

/**
 * Looks at all that passes between the primary and the workers, and notes at once what must never be: two answers to one
 * call, a call that is given up after it was answered, more calls at a worker than its mailbox holds, a link that takes
 * data without end.
 */
export class WireWatch {
  readonly #limits: Limits
  readonly #note: (violation: Violation) => void
  readonly #known = new Map<SimulatedWorker, Known>()

  constructor(limits: Limits, note: (violation: Violation) => void) {
    this.#limits = limits
    this.#note = note
  }

  /** Calls that some live process has been sent and that were never ended. */
  get serving(): readonly string[] {
    return [...this.#known].flatMap(([{ alive, name }, { serving }]) =>
      alive ? [...serving].map((route) => `route ${route} at ${name}`) : [],
    )
  }

  sent({ worker, direction, frame }: Passing): void {
    const known = this.#of(worker)
    // What two workers say to each other: the ledger judges what came of it.
    if (direction === 'direct') return this.#answersDirectly(worker, known, frame)
    if (isData(direction, frame)) known.queued[direction]--
    const { id, route } = frame as { id?: number; route?: number }
    if (direction !== 'down') return
    if (frame.kind === 'invoke' && route !== undefined) this.#invokes(worker, known, route)
    else if (frame.kind === 'cancel' && id !== undefined) known.serving.delete(id)
  }

  /** It does not leave. A stand-in may, and the end of a stream after the stand-in for its items. */
  refused({ worker, direction, frame }: Passing): void {
    if (direction === 'direct') return
    const known = this.#of(worker)
    if (isData(direction, frame)) known.queued[direction]--
    const { id } = frame as { id?: number }
    if (direction === 'down' && frame.kind === 'items' && id !== undefined) known.broken.add(id)
  }

  /** A frame is handed to whoever receives it, one after the other. */
  #arrives(worker: SimulatedWorker, direction: 'up' | 'down', frame: Passing['frame']): void {
    const { kind, id } = frame as { kind: string; id?: number }
    if (id === undefined || (kind !== 'result' && kind !== 'failure')) return
    const known = this.#of(worker)
    if (direction === 'up') known.serving.delete(id)
    else if (known.broken.delete(id)) known.calls.delete(id)
    else if (known.calls.get(id) === 'answered')
      this.#note({ invariant: 'settles once', what: `call ${id} of ${worker.name} was answered twice` })
    else if (known.calls.get(id) === 'asked') known.calls.set(id, 'answered')
  }

  /** Sees what a link is given, and what it delivers. */
  links({ primary, worker }: LinkEnds, of: SimulatedWorker): LinkEnds {
    return {
      primary: watched(
        primary,
        (frame) => this.#given(of, 'down', frame),
        (frame) => this.#arrives(of, 'up', frame),
        (frame) => this.#takenBack(of, 'down', frame),
      ),
      worker: watched(
        worker,
        (frame) => this.#given(of, 'up', frame),
        (frame) => this.#arrives(of, 'down', frame),
        (frame) => this.#takenBack(of, 'up', frame),
      ),
    }
  }

  #saysUp(worker: SimulatedWorker, known: Known, kind: string, id: number): void {
    if (kind === 'call') known.calls.set(id, 'asked')
    else if (kind === 'cancel') {
      if (known.calls.get(id) === 'answered')
        this.#note({ invariant: 'settles once', what: `${worker.name} gave up call ${id} after it was answered` })
      known.calls.set(id, 'cancelled')
    } else if (kind === 'result' || kind === 'failure') {
      if (known.answered.has(id))
        this.#note({ invariant: 'settles once', what: `${worker.name} answered route ${id} twice` })
      known.answered.add(id)
    }
  }

  #answersDirectly(worker: SimulatedWorker, { answered }: Known, frame: Passing['frame']): void {
    const { kind, id } = frame as { kind: string; id?: number }
    if (id === undefined || (kind !== 'result' && kind !== 'failure')) return
    if (answered.has(id)) this.#note({ invariant: 'settles once', what: `${worker.name} answered route ${id} twice` })
    answered.add(id)
  }

  #invokes(worker: SimulatedWorker, { serving }: Known, route: number): void {
    serving.add(route)
    const { mailbox } = this.#limits
    if (serving.size > mailbox)
      this.#note({
        invariant: 'bounded',
        what: `${serving.size} calls at ${worker.name}, whose mailbox holds ${mailbox}`,
      })
  }

  #given(worker: SimulatedWorker, direction: 'up' | 'down', frame: Passing['frame']): void {
    if (!worker.alive) return
    const known = this.#of(worker)
    // When it is said, not when a link that is full has room for it.
    const { id } = frame as { id?: number }
    if (direction === 'up' && id !== undefined) this.#saysUp(worker, known, frame.kind, id)
    if (!isData(direction, frame)) return
    const { queued } = known
    const { link } = this.#limits
    if (++queued[direction] > link)
      this.#note({
        invariant: 'bounded',
        what: `${queued[direction]} messages wait in the link ${direction} of ${worker.name}, which holds ${link}`,
      })
  }

  /** It waited in the link, and is there no more: another one takes its place. */
  #takenBack(worker: SimulatedWorker, direction: 'up' | 'down', frame: Passing['frame']): void {
    if (isData(direction, frame)) this.#of(worker).queued[direction]--
  }

  #of(worker: SimulatedWorker): Known {
    const known = this.#known.get(worker) ?? {
      calls: new Map(),
      serving: new Set(),
      answered: new Set(),
      broken: new Set(),
      queued: { up: 0, down: 0 },
    }
    this.#known.set(worker, known)
    return known
  }
}

function isData(direction: 'up' | 'down', { kind }: Passing['frame']): boolean {
  return (DATA[direction] as readonly string[]).includes(kind)
}

type Seen = (frame: Passing['frame']) => void

/** The same link, which tells of each frame that it is given, that it delivers, and that is taken back. */
function watched<L extends LinkEnds['primary'] | LinkEnds['worker']>(
  link: L,
  given: Seen,
  delivered: Seen,
  takenBack: Seen,
): L {
  const before =
    (see: Seen, pass: Seen): Seen =>
    (frame) => {
      see(frame)
      pass(frame)
    }
  return new Proxy(link, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name === 'send') return before(given, value.bind(target))
      if (name === 'drop')
        return (matches: (frame: Passing['frame']) => boolean) => {
          const frame: Passing['frame'] | undefined = value.call(target, matches)
          if (frame) takenBack(frame)
          return frame
        }
      if (name !== 'receive') return value.bind(target)
      return (receiver: { frame(frame: Passing['frame'], handle: unknown): void }) =>
        value.call(target, {
          ...receiver,
          frame(frame: Passing['frame'], handle: unknown) {
            delivered(frame)
            receiver.frame(frame, handle)
          },
        })
    },
  })
}
