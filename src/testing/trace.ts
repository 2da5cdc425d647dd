/** What happened in a simulation, in order. Written out only when somebody reads it. */
export interface TraceEntry {
  readonly time: number
  /** "primary", "worker 2/5": the id, and which of its processes. */
  readonly process: string
  readonly what: string
  /** The frame that was sent or arrived, of which kind, ids and method are told, and never its payload. */
  readonly frame?: object | undefined
}

/** Entries that are kept: the end of a long run is what tells how it went wrong. */
const MAX_ENTRIES = 200_000

export class Trace {
  #entries: TraceEntry[] = []
  #dropped = 0

  add(time: number, process: string, what: string, frame?: object): void {
    this.#entries.push({ time, process, what, frame })
    // Half at a time: to take away one at a time would move all the others.
    if (this.#entries.length > 2 * MAX_ENTRIES) {
      this.#dropped += MAX_ENTRIES
      this.#entries = this.#entries.slice(MAX_ENTRIES)
    }
  }

  get entries(): readonly TraceEntry[] {
    return this.#entries
  }

  /** One line per entry; the same for the same seed, to the byte. `last`: that many from the end. */
  text(last = this.#entries.length): string {
    const left = this.#dropped + Math.max(0, this.#entries.length - last)
    const lines = last > 0 ? this.#entries.slice(-last).map(toLine) : []
    return [...(left > 0 ? [`(${left} entries before)`] : []), ...lines].join('\n')
  }
}

function toLine({ time, process, what, frame }: TraceEntry): string {
  return `${time.toFixed(3).padStart(11)} ${process.padEnd(11)} ${what}${frame ? ` ${describeFrame(frame)}` : ''}`
}

/** The fields that say which frame it is, in this order. */
const FIELDS = ['id', 'route', 'to', 'method', 'channel', 'ref', 'receipt', 'held', 'name', 'cause', 'mode'] as const

function describeFrame(frame: object): string {
  const fields = frame as Readonly<Record<string, unknown>>
  const words = [String(fields.kind)]
  for (const name of FIELDS) if (fields[name] !== undefined) words.push(`${name}=${String(fields[name])}`)
  const { member, gone, error } = fields as {
    member?: { id: number; incarnation: number; state: string; current: boolean }
    gone?: boolean
    error?: { code?: string }
  }
  if (member)
    words.push(
      `${member.id}/${member.incarnation} ${gone ? 'gone' : member.state}${member.current ? '' : ', not current'}`,
    )
  if (error?.code) words.push(error.code)
  return words.join(' ')
}
