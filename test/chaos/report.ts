/** How much a run does: `brief` is for CI, `quick` for a first look, `full` is what the figures are claimed for. */
export type Size = 'brief' | 'quick' | 'full'

/** A number that was promised, and what it came to. */
export interface Figure {
  readonly name: string
  readonly value: string
  /** What was promised. */
  readonly bound: string
  readonly isMet: boolean
}

/** What a run found, told as it goes. */
export class Report {
  readonly figures: Figure[] = []
  readonly #print: (line: string) => void

  constructor(print: (line: string) => void) {
    this.#print = print
  }

  figure(name: string, value: string | number, bound: string, isMet: boolean): void {
    this.figures.push({ name, value: String(value), bound, isMet })
    this.#print(`${isMet ? 'met   ' : 'MISSED'}  ${name}: ${value} (${bound})`)
  }

  /** A number that nothing is promised about. */
  note(name: string, value: string | number): void {
    this.#print(`        ${name}: ${value}`)
  }

  /** A count that must be zero. */
  none(name: string, count: number, detail = ''): void {
    this.figure(name, detail && count > 0 ? `${count}: ${detail}` : count, 'none', count === 0)
  }

  get missed(): readonly Figure[] {
    return this.figures.filter(({ isMet }) => !isMet)
  }
}

/** One subcommand of `npm run chaos`. */
export interface Run {
  readonly name: string
  readonly about: string
  run(size: Size, report: Report): Promise<void>
}
