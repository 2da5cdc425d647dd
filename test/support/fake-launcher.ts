import type { DownFrame, LifeUpFrame, UpFrame } from '../../src/protocol/frames.js'
import { PROTOCOL_VERSION } from '../../src/protocol/frames.js'
import type { ProcessRef } from '../../src/protocol/ids.js'
import type { Receiver, Transport } from '../../src/protocol/transport.js'
import type { Child, ChildEvents, Launcher, LaunchSettings } from '../../src/runtime/supervision/child.js'

/** Processes that are only told of. A test plays each one's part, or lets it obey what it is asked. */
export class FakeLauncher implements Launcher {
  /** Every process ever launched, in order: the one at index n has incarnation n + 1. */
  readonly children: FakeChild[] = []
  /** Runs for each process when it is launched: a test's plan for it. */
  plan: (child: FakeChild) => void = () => {}
  /** Thrown instead of launching. */
  refusal: Error | undefined
  readonly #receive: (ref: ProcessRef, frame: LifeUpFrame) => void

  constructor(receive: (ref: ProcessRef, frame: LifeUpFrame) => void) {
    this.#receive = receive
  }

  launch(ref: ProcessRef, events: ChildEvents, settings: LaunchSettings): Child {
    if (this.refusal) throw this.refusal
    const child = new FakeChild(ref, events, settings, (frame) => this.#receive(ref, frame))
    this.children.push(child)
    queueMicrotask(() => this.plan(child))
    return child
  }

  /** The processes that have not exited, as "id/incarnation". */
  get living(): string[] {
    return this.children.filter(({ alive }) => alive).map(({ ref }) => `${ref.id}/${ref.incarnation}`)
  }

  child(incarnation: number): FakeChild {
    const child = this.children[incarnation - 1]
    if (!child) throw new Error(`Incarnation ${incarnation} was not launched`)
    return child
  }
}

export class FakeChild implements Child {
  readonly ref: ProcessRef
  readonly pid: number
  readonly link: Transport<DownFrame, UpFrame>
  readonly events: ChildEvents
  readonly settings: LaunchSettings
  readonly signals: ('SIGTERM' | 'SIGKILL')[] = []
  /** What the primary has sent it. */
  readonly received: DownFrame[] = []
  alive = true
  stderr = ''
  /** Does what it is asked, at once: drains, releases, ends at SIGTERM. SIGKILL ends it in any case. */
  obeys = true
  readonly #say: (frame: LifeUpFrame) => void

  constructor(ref: ProcessRef, events: ChildEvents, settings: LaunchSettings, say: (frame: LifeUpFrame) => void) {
    this.ref = ref
    this.pid = 1_000 + ref.incarnation
    this.events = events
    this.settings = settings
    this.#say = say
    this.link = {
      full: false,
      held: 0,
      send: (frame) => this.#receive(frame),
      sendNow: (frame) => this.#receive(frame),
      receive: (_: Receiver<UpFrame>) => {},
      flushed: () => Promise.resolve(),
      drop: () => undefined,
      close: () => {},
    }
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.signals.push(signal)
    if (signal === 'SIGKILL' || this.obeys) queueMicrotask(() => this.exit(null, signal))
  }

  output(): string {
    return this.stderr
  }

  outputRead(): Promise<void> {
    return Promise.resolve()
  }

  // ------------------------------------------------------------------- its life, as a test tells it

  say(frame: LifeUpFrame): void {
    if (this.alive) this.#say(frame)
  }

  /** Its preload has run. */
  hello(version = PROTOCOL_VERSION): void {
    this.events.online()
    this.say({ kind: 'hello', version, incarnation: this.ref.incarnation })
  }

  join(): void {
    this.hello()
    this.say({ kind: 'join', methods: {} })
    this.say({ kind: 'ready', cause: 'join' })
  }

  /** Its servers listen there now, and nowhere else. */
  listen(...ports: number[]): void {
    this.say({ kind: 'listens', addresses: ports.map((port) => ({ port, addressType: 4 })) })
  }

  exit(code: number | null, signal: string | null = null): void {
    if (!this.alive) return
    this.alive = false
    this.events.disconnected()
    this.events.exited({ code, signal })
  }

  #receive(frame: DownFrame): void {
    this.received.push(frame)
    if (!this.obeys) return
    queueMicrotask(() => {
      if (frame.kind === 'drain') this.say({ kind: 'drained', cut: 0 })
      if (frame.kind === 'release') this.say({ kind: 'released' })
    })
  }
}
