/** A line that node writes to stderr about its inspector, on Node 20 to 26. */
interface Said {
  readonly begin: string
  /** What else it has, whole, and as far as it has come. */
  readonly rest: RegExp
  readonly partly: RegExp
}

const ADDRESS = { rest: /^[^\s/]{1,64}\/[\da-f-]{36}$/, partly: /^[^\s/]{0,64}(\/[\da-f-]{0,36})?$/ }
const PAGE = { rest: /^[\w./-]{1,64}$/, partly: /^[\w./-]{0,64}$/ }
const NOTHING = { rest: /^$/, partly: /^$/ }

const SAID: readonly Said[] = [
  { begin: 'Debugger listening on ws://', ...ADDRESS },
  { begin: 'For help, see: https://nodejs.org/', ...PAGE },
  { begin: 'Debugger attached.', ...NOTHING },
  { begin: 'Debugger ending on ws://', ...ADDRESS },
  { begin: 'Waiting for the debugger to disconnect...', ...NOTHING },
]

/** No such line is longer. */
const LONGEST = 160

const LISTENING = /^Debugger listening on (ws:\/\/127\.0\.0\.1:\d{1,5}\/[\da-f-]{36})$/m

/** Where an inspector was opened, in what a process has written. Other addresses that a program prints mean something else. */
export function inspectorAddress(text: string): string | undefined {
  return LISTENING.exec(text)?.[1]
}

const NEWLINE = 10

/**
 * Leaves the lines about the inspector out of what a process writes while it is looked at: the look makes node write them.
 * All else passes byte for byte, and at once; only the beginning of what may yet become such a line is held.
 */
export class InspectorLines {
  #held: Buffer = Buffer.alloc(0)
  /** The rest of a line whose beginning has passed. */
  #inLine = false

  /** Gives what of it is the program's. */
  take(chunk: Buffer): Buffer {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk
    const passed: Buffer[] = []
    let from = 0
    while (from < bytes.length) {
      const newline = bytes.indexOf(NEWLINE, from)
      const line = bytes.subarray(from, newline < 0 ? undefined : newline + 1)
      if (this.#inLine || !matches(line, newline < 0)) passed.push(line)
      else if (newline < 0) break
      this.#inLine = newline < 0
      from += line.length
    }
    this.#held = Buffer.from(bytes.subarray(from))
    return Buffer.concat(passed)
  }

  /** What is held, when nothing more comes of it. */
  flush(): Buffer {
    const held = this.#held
    this.#held = Buffer.alloc(0)
    return held
  }
}

/** Is it such a line, or, `partly`, what one may begin with? */
function matches(line: Buffer, partly: boolean): boolean {
  if (line.length > LONGEST) return false
  const text = line.toString('latin1', 0, partly ? line.length : line.length - 1)
  return SAID.some((said) => {
    if (!text.startsWith(said.begin)) return partly && said.begin.startsWith(text)
    return (partly ? said.partly : said.rest).test(text.slice(said.begin.length))
  })
}
