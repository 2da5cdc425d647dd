import type { ByteReceiver, ByteStream } from '../runtime/transports/byte-stream.js'
import type { SimulatedLoop } from './simulated-process.js'
import type { VirtualTime } from './virtual-time.js'

export interface StreamWire {
  /** Bytes that it holds for a reader that does not read. More waits in its writer. */
  readonly pipeSize: number
  /** Milliseconds until what is written now arrives. */
  latency(): number
}

/**
 * One end of a unix socket between two workers. What is written in one go arrives in one go, in order, after a while. What the
 * kernel's buffer does not hold waits in the writer, and dies with it.
 */
export class SimulatedStream implements ByteStream {
  readonly #time: VirtualTime
  readonly #loop: SimulatedLoop
  readonly #wire: StreamWire
  #other!: SimulatedStream
  #receiver: ByteReceiver | undefined
  /** In this process's own memory. */
  readonly #unwritten: Buffer[] = []
  #unwrittenSize = 0
  /** In the kernel's buffer, not read by the other end; `arrived` of them can be. */
  readonly #piped: Buffer[] = []
  #pipedSize = 0
  #arrived = 0
  #lastArrival = 0
  #paused = false
  /** This end writes no more. */
  #ending = false
  /** The other end has, and that has been seen here. */
  #ended = false
  #told = false

  constructor(time: VirtualTime, loop: SimulatedLoop, wire: StreamWire) {
    this.#time = time
    this.#loop = loop
    this.#wire = wire
  }

  static pair(
    time: VirtualTime,
    wire: StreamWire,
    loops: readonly [SimulatedLoop, SimulatedLoop],
  ): readonly [SimulatedStream, SimulatedStream] {
    const ends = [new SimulatedStream(time, loops[0], wire), new SimulatedStream(time, loops[1], wire)] as const
    ends[0].#other = ends[1]
    ends[1].#other = ends[0]
    return ends
  }

  get unwritten(): number {
    return this.#unwrittenSize
  }

  write(bytes: readonly Uint8Array[]): boolean {
    if (this.#loop.dead || this.#ending) return true
    const all = Buffer.concat(bytes)
    this.#unwritten.push(all)
    this.#unwrittenSize += all.length
    if (this.#loop.runs) this.#write()
    else this.#loop.soon('a write', () => this.#write())
    return this.#unwrittenSize === 0
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#loop.soon('a read', () => this.#read())
  }

  end(): void {
    if (this.#ending) return
    this.#ending = true
    if (this.#unwrittenSize === 0) this.#sayEnd()
  }

  receive(receiver: ByteReceiver): void {
    this.#receiver = receiver
  }

  /** The process at this end is dead: what it had not written is lost, and the last `tail` writes with it. */
  die(tail: number): void {
    this.#unwritten.length = 0
    this.#unwrittenSize = 0
    const lost = Math.min(tail, this.#piped.length - this.#arrived)
    if (lost > 0) this.#piped.splice(this.#piped.length - lost)
    if (!this.#ending) this.#sayEnd()
    this.#ending = true
  }

  #sayEnd(): void {
    const other = this.#other
    const arrival = Math.max(this.#lastArrival, this.#time.now + this.#wire.latency())
    const end = (): void => {
      other.#ended = true
      // Whoever is hung up on hangs up.
      other.#ending = true
      other.#read()
    }
    this.#time.at(arrival, other.#loop, end, { what: 'the end of a stream' })
  }

  #write(): void {
    if (this.#loop.dead) return
    let wrote = false
    while (this.#unwritten.length > 0 && this.#pipedSize < this.#wire.pipeSize) {
      const bytes = this.#unwritten.shift() as Buffer
      this.#unwrittenSize -= bytes.length
      this.#piped.push(bytes)
      this.#pipedSize += bytes.length
      wrote = true
      const arrival = Math.max(this.#lastArrival, this.#time.now + this.#wire.latency())
      this.#lastArrival = arrival
      const other = this.#other
      const arrive = (): void => {
        if (this.#arrived >= this.#piped.length) return // Lost with its sender.
        this.#arrived++
        other.#read()
      }
      this.#time.at(arrival, other.#loop, arrive, { what: 'bytes' })
    }
    if (wrote) process.nextTick(() => this.#loop.dead || this.#receiver?.written())
    if (this.#ending && this.#unwrittenSize === 0 && wrote) this.#sayEnd()
  }

  /** Takes what has arrived from the other end. */
  #read(): void {
    const from = this.#other
    while (!this.#paused && from.#arrived > 0) {
      const bytes = from.#piped.shift() as Buffer
      from.#arrived--
      from.#pipedSize -= bytes.length
      if (from.#unwritten.length > 0 && !from.#loop.dead) from.#loop.soon('a write', () => from.#write())
      this.#receiver?.data(bytes)
    }
    if (!this.#ended || this.#told || this.#paused || from.#piped.length > 0) return
    this.#told = true
    this.#receiver?.closed()
  }
}
